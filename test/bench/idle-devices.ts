/**
 * Devices for the bench `connections`: enrolled without a hub that runs, and then, as a process of its own, as many sockets
 * as cheap as they can be, which do what an agent does that has nothing to say.
 *
 *     bench -> file with keys and certificates -> this process -> ready -> "figures" -> figures
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { openIdentity, openSqliteStore } from '@weir/cloud';
import { makeKeyAndRequest } from '@weir/edge-agent';
import { commandTopic, paceTopic, shadowPrefix, WEIR_SHADOW } from '@weir/protocols';
import { generate, parser as makeParser, type Packet } from 'mqtt-packet';

export interface IdleDevices {
  ca: string;
  /** Of all of them: to make one takes longer than to use one, and only the hub's side is looked at. */
  key: string;
  devices: { device: string; certificate: string }[];
}

const KEEPALIVE_S = 30;
const PING = generate({ cmd: 'pingreq' });
/** Certificates signed, records written and connections made at a time. */
const AT_ONCE = 64;

/** In the data folder of a hub that does not run. */
export async function enrolOffline(hubData: string, count: number): Promise<IdleDevices> {
  const now = Date.now();
  const random = (bytes: number) => randomBytes(bytes);
  const identity = await openIdentity({ folder: join(hubData, 'ca'), hosts: ['localhost', '127.0.0.1'], now, random });
  const store = await openSqliteStore({ file: join(hubData, 'store.db') });
  const { key, csr } = await makeKeyAndRequest('idle');
  const devices: IdleDevices['devices'] = [];
  for (let from = 0; from < count; from += AT_ONCE) {
    const names = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, n) => `idle-${from + n}`);
    const signed = await Promise.all(names.map((device) => identity.signDevice(csr, device, now)));
    await store.write(
      signed.map(({ serial: certificateSerial }, at) => ({
        put: { table: 'device', partition: names[at]!, sort: 'record' },
        json: { groups: [], tags: {}, certificateSerial, enrolledAt: now },
      })),
    );
    devices.push(...signed.map(({ certificate }, at) => ({ device: names[at]!, certificate })));
  }
  await store.close();
  return { ca: identity.ca, key, devices };
}

interface Connected {
  socket: TLSSocket;
  askedAt: number;
}

if (process.argv[1] === import.meta.filename) await live(process.argv[2]!, Number(process.env.WEIR_BENCH_PORT));

async function live(file: string, port: number): Promise<void> {
  const { ca, key, devices } = JSON.parse(readFileSync(file, 'utf8')) as IdleDevices;
  const pingsMs: number[] = [];
  const connected = new Set<Connected>();
  let lost = 0;
  const from = performance.now();
  const waiting = [...devices];
  const connectNext = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const one = await connectOne(next, { ca, key, port }, pingsMs);
      connected.add(one);
      one.socket.once('close', () => {
        connected.delete(one);
        lost++;
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, connectNext));
  const tookMs = performance.now() - from;
  pingsMs.length = 0;
  const figures = () => ({ connected: connected.size, lost, pingsMs, tookMs });
  process.send!(figures());
  process.on('message', () => process.send!(figures()));
}

/** Resolves when it has subscribed. */
async function connectOne(
  { device, certificate }: IdleDevices['devices'][number],
  { ca, key, port }: { ca: string; key: string; port: number },
  pingsMs: number[],
): Promise<Connected> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca, key, cert: certificate });
  const one: Connected = { socket, askedAt: 0 };
  const parser = makeParser();
  const got = (cmd: Packet['cmd']) =>
    new Promise<void>((resolve) => {
      const listen = (packet: Packet) => {
        if (packet.cmd !== cmd) return;
        parser.removeListener('packet', listen);
        resolve();
      };
      parser.on('packet', listen);
    });
  const ended = new Promise<never>((_, reject) => {
    socket.once('close', () => reject(new Error(`${device} was cut off`)));
  });
  ended.catch(() => {});
  socket.on('error', () => {});
  socket.on('data', (chunk) => parser.parse(chunk));
  parser.on('packet', ({ cmd }) => {
    if (cmd === 'pingresp') pingsMs.push(performance.now() - one.askedAt);
  });
  socket.write(
    generate({
      ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: device },
      ...{ clean: true, keepalive: KEEPALIVE_S },
    }),
  );
  await Promise.race([got('connack'), ended]);
  const shadow = `${shadowPrefix(device, WEIR_SHADOW)}/`;
  const topics = ['get/accepted', 'get/rejected', 'update/delta', 'update/rejected'].map((end) => `${shadow}${end}`);
  const subscriptions = [commandTopic(device), paceTopic(device), ...topics].map((topic) => ({
    topic,
    qos: 1 as const,
  }));
  socket.write(generate({ cmd: 'subscribe', messageId: 1, subscriptions }));
  await Promise.race([got('suback'), ended]);
  keepAlive(one);
  return one;
}

/** Each at its own moment, as they come up. */
function keepAlive(one: Connected): void {
  const timer = setInterval(() => {
    one.askedAt = performance.now();
    one.socket.write(PING);
  }, KEEPALIVE_S * 1_000);
  one.socket.once('close', () => clearInterval(timer));
}
