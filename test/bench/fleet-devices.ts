/**
 * Devices for the bench `deploy`, in a process of their own: each has a connection by MQTT over TLS and does what an agent does when
 * its shadow changes, without running anything: it reads its shadow, fetches what is signed and the bundle over HTTPS, checks
 * its hash, and reports that it runs.
 *
 *     bench -> file with keys and certificates -> this process -> { connected } -> { running: n } each time that it is more
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { type JsonObject, shadowPrefix, type WantedDeployment, WEIR_SHADOW } from '@weir/protocols';
import { connectAsync, type MqttClient } from 'mqtt';
import type { IdleDevices } from './idle-devices.ts';

export interface FleetPorts {
  mqtt: number;
  device: number;
}

/** Connections that come up at a time. */
const AT_ONCE = 32;
const TOLD_EVERY_MS = 50;

if (process.argv[1] === import.meta.filename) await live(process.argv[2]!, JSON.parse(process.argv[3]!) as FleetPorts);

async function live(file: string, ports: FleetPorts): Promise<void> {
  const { ca, key, devices } = JSON.parse(readFileSync(file, 'utf8')) as IdleDevices;
  const waiting = [...devices];
  const running = new Map<string, string>();
  const connectNext = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      await start({ ...next, ca, key }, ports, (hash) => running.set(next!.device, hash));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, connectNext));
  process.send!({ connected: devices.length });
  let told = 0;
  setInterval(() => {
    if (running.size === told) return;
    told = running.size;
    process.send!({ running: told });
  }, TOLD_EVERY_MS);
}

interface Credentials {
  device: string;
  certificate: string;
  ca: string;
  key: string;
}

async function start(own: Credentials, ports: FleetPorts, onRunning: (hash: string) => void): Promise<void> {
  const { device, certificate: cert, ca, key } = own;
  const tls = { ca, key, cert, servername: 'localhost' };
  const client = await connectAsync(`mqtts://127.0.0.1:${ports.mqtt}`, { ...tls, clientId: device, keepalive: 30 });
  const prefix = shadowPrefix(device, WEIR_SHADOW);
  const known = new Map<string, string>();
  // As an agent does: the connection is closed when nothing more is to be fetched.
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: 1, timeout: 5_000 });
  client.on('message', (topic, payload) => {
    if (topic === `${prefix}/update/delta`) client.publish(`${prefix}/get`, '', { qos: 1 });
    if (topic !== `${prefix}/get/accepted`) return;
    const { state } = JSON.parse(payload.toString()) as { state: { desired?: JsonObject } };
    const wanted = (state.desired?.deployments ?? {}) as unknown as Record<string, WantedDeployment>;
    for (const [name, each] of Object.entries(wanted)) {
      if (known.get(name) === each.hash) continue;
      known.set(name, each.hash);
      void take(client, { prefix, agent, port: ports.device }, name, each).then(() => onRunning(each.hash));
    }
  });
  await client.subscribeAsync(['get/accepted', 'get/rejected', 'update/delta'].map((end) => `${prefix}/${end}`));
  client.publish(`${prefix}/get`, '', { qos: 1 });
}

async function take(
  client: MqttClient,
  { prefix, agent, port }: { prefix: string; agent: Agent; port: number },
  name: string,
  { kind, version, hash }: WantedDeployment,
): Promise<void> {
  await fetched(agent, port, '/v1/deployment?known=0');
  await fetched(agent, port, `/v1/releases/${hash}`);
  const bundle = await fetched(agent, port, `/v1/bundles/${hash}`);
  if (createHash('sha256').update(bundle).digest('hex') !== hash) throw new Error(`${name} is not what was wanted`);
  const reported = { deployments: { [name]: { kind, version, hash, state: 'running' } } };
  await client.publishAsync(`${prefix}/update`, JSON.stringify({ state: { reported } }), { qos: 1 });
}

function fetched(agent: Agent, port: number, path: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks));
        else reject(new Error(`${path}: ${response.statusCode} ${Buffer.concat(chunks)}`));
      });
    }).on('error', reject);
  });
}
