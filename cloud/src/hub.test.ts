import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BATCH_LIMITS,
  columnsOf,
  encodeBatch,
  formatJoinToken,
  type JoinAnswer,
  type JsonObject,
  joinAnswerSchema,
} from '@weir/protocols';
import { buildRuleBundle, createSandbox } from '@weir/runtime';
import { KEYS } from '@weir/runtime/trust-fixture';
import mqtt, { type MqttClient } from 'mqtt';
import pino from 'pino';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openAccess } from './access/stored-access.ts';
import { certificateHosts, type HubAddress } from './addresses.ts';
import type { HubEvent } from './api/events.ts';
import { openAudit } from './audit/stored-audit.ts';
import { systemClock } from './clock/clock.ts';
import { parseConfig } from './config/load.ts';
import { createHub, type Hub } from './hub.ts';
import { makeDeviceKey } from './identity/device.fixture.ts';
import { openIdentity } from './identity/identity.ts';
import { openSqliteLog } from './log/sqlite.ts';
import { socketNetwork } from './network.ts';
import { countHistory, readHistory } from './store/history.ts';
import { openSqliteStore } from './store/sqlite.ts';
import type { Store } from './store/store.ts';
import { signingFleet } from './trust/signing-fleet.fixture.ts';

const noRequests = () => Promise.reject(new Error('no function asks for anything here'));

const root = await mkdtemp(join(tmpdir(), 'weir-hub-'));
const LISTEN = 'listen: { mqtt: { port: 0 }, device: { port: 0 }, api: { port: 0 } }';
const AUDIT = { keepMs: 86_400_000, changesMax: 1_000, othersMax: 1_000 };
const T0 = 1_700_000_000_000;
afterAll(() => rm(root, { recursive: true }));

interface Running {
  hub: Hub;
  address: HubAddress;
  store: Store;
  apiKey: string;
  ca: string;
  caSha256: string;
  events: HubEvent[];
  close(): Promise<void>;
}

let folder: string;
let running: Running;
const clients: MqttClient[] = [];

async function startHub(): Promise<Running> {
  const config = parseConfig(LISTEN, 'test');
  const random = (bytes: number) => randomBytes(bytes);
  const store = await openSqliteStore({ file: join(folder, 'store.db') });
  const log = await openSqliteLog({ file: join(folder, 'log.db') });
  const hosts = certificateHosts(config);
  const identity = await openIdentity({ folder: join(folder, 'ca'), hosts, now: Date.now(), random });
  const sandbox = createSandbox();
  const logger = pino({ level: 'silent' });
  const audit = await openAudit({ store, now: Date.now, logger }, AUDIT);
  const access = await openAccess({ store, random, now: Date.now, logger }, { masterKey: random(32) });
  const { key: apiKey } = await access.create({ name: `start-${random(4)}`, role: 'admin', by: 'test' });
  const hub = createHub(
    {
      ...{
        signingKey: KEYS.hub,
        log,
        store,
        identity,
        access,
        audit,
        sandbox,
        network: socketNetwork,
        clock: systemClock,
        random,
        logger,
      },
      sendHttp: noRequests,
    },
    { config, secretsKey: random(32) },
  );
  const events: HubEvent[] = [];
  hub.events.on((event) => events.push(event));
  const address = await hub.start();
  const close = async () => {
    await hub.stop();
    await sandbox.stop();
    await log.close();
    await store.close();
  };
  return { hub, address, store, apiKey, ca: identity.ca, caSha256: identity.caSha256, events, close };
}

beforeEach(async () => {
  folder = await mkdtemp(join(root, 'data-'));
  running = await startHub();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.end(true);
  await running.close();
});

function post(path: string, body: object): Promise<JoinAnswer> {
  const { address, ca } = running;
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const sent = request({ host: '127.0.0.1', port: address.device, path, method: 'POST', ca, headers }, (response) => {
      let text = '';
      response.on('data', (part) => {
        text += part;
      });
      response.on('end', () => (response.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(text))));
    });
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
  });
}

interface Device {
  name: string;
  key: string;
  joined: JoinAnswer;
}

async function enrol(name: string, group: string): Promise<Device> {
  const { secret } = await running.hub.fleet.createToken({ groups: [group], ttlMs: 60_000, uses: 1 });
  expect(formatJoinToken({ secret, caSha256: running.caSha256 })).toMatch(/^weir1\./);
  const { key, csr } = await makeDeviceKey();
  const joined = joinAnswerSchema.parse(await post('/v1/join', { secret, device: name, csr }));
  return { name, key, joined };
}

async function connect({ name, key, joined }: Device): Promise<MqttClient> {
  const { certificate: cert, ca } = joined;
  const url = `mqtts://127.0.0.1:${running.address.mqtt}`;
  const client = await mqtt.connectAsync(url, { key, cert, ca, clientId: name, reconnectPeriod: 0 });
  client.on('error', () => {});
  clients.push(client);
  return client;
}

function batch(seq: number, values: number[]): Buffer {
  const readings = values.map((value, at) => ({ sensor: 'oven1', metric: 'temperature', value, ts: T0 + seq + at }));
  const count = values.length;
  return Buffer.from(encodeBatch({ kind: 'readings', epoch: 'e1', seq, count, columns: columnsOf(readings) }));
}

const ruleFile = join(root, 'hot.yaml');

async function deployRule(group: string, where: 'edge' | 'cloud'): Promise<void> {
  await writeFile(ruleFile, 'name: hot\nmetric: temperature\nabove: 80\nclear: 75\n');
  const { bytes } = await buildRuleBundle(ruleFile);
  const fleet = await signingFleet(running.hub.fleet, running.store, Date.now());
  const { hash } = await fleet.putBundle(bytes);
  await running.hub.fleet.deploy({ group, hash, where, config: {} });
}

test('a device joins, sends, and its readings are in history, also when the hub was stopped in between', async () => {
  await running.hub.fleet.createGroup('plant');
  const device = await enrol('gw1', 'plant');
  const client = await connect(device);
  await client.publishAsync('weir/1/gw1/live', batch(0, [1, 2, 3]), { qos: 1 });
  client.end(true);
  await running.close();
  running = await startHub();
  const again = await connect(device);
  await again.publishAsync('weir/1/gw1/live', batch(0, [1, 2, 3]), { qos: 1 });
  await again.publishAsync('weir/1/gw1/live', batch(3, [4]), { qos: 1 });
  await vi.waitFor(async () => expect(await countHistory(running.store, 'gw1')).toBe(4), { timeout: 30_000 });
  const { readings } = await readHistory(running.store, 'gw1');
  expect(readings.map(({ value }) => value)).toEqual([1, 2, 3, 4]);
  expect((await running.hub.fleet.device('gw1'))!.presence!.connected).toBe(true);
});

test('what a group wants reaches its device by the shadow, and what the device reports is kept', async () => {
  await running.hub.fleet.createGroup('plant');
  const client = await connect(await enrol('gw1', 'plant'));
  const heard: { topic: string; body: JsonObject }[] = [];
  client.on('message', (topic, payload) => heard.push({ topic, body: JSON.parse(payload.toString()) }));
  const prefix = '$aws/things/gw1/shadow/name/weir';
  await client.subscribeAsync([`${prefix}/get/+`, `${prefix}/update/+`], { qos: 1 });
  await deployRule('plant', 'edge');
  await vi.waitFor(() => expect(heard.map(({ topic }) => topic)).toContain(`${prefix}/update/delta`), 5_000);
  await client.publishAsync(`${prefix}/get`, '', { qos: 1 });
  await vi.waitFor(() => expect(heard.map(({ topic }) => topic)).toContain(`${prefix}/get/accepted`), 5_000);
  const accepted = heard.find(({ topic }) => topic === `${prefix}/get/accepted`)!.body;
  expect(accepted.state).toMatchObject({ desired: { deployments: { hot: { kind: 'rule' } } } });
});

test('a rule in the cloud fires and resolves over what devices send, and people are told', async () => {
  await running.hub.fleet.createGroup('plant');
  await deployRule('plant', 'cloud');
  const client = await connect(await enrol('gw1', 'plant'));
  await client.publishAsync('weir/1/gw1/live', batch(0, [20, 81.5, 82]), { qos: 1 });
  await client.publishAsync('weir/1/gw1/live', batch(3, [79, 74]), { qos: 1 });
  const states = () => running.events.flatMap((event) => (event.type === 'transition' ? [event.transition.state] : []));
  await vi.waitFor(() => expect(states()).toEqual(['firing', 'resolved']), 5_000);
});

test('a bad batch is acknowledged, counted, and shown with the device', async () => {
  await running.hub.fleet.createGroup('plant');
  const client = await connect(await enrol('gw1', 'plant'));
  await client.publishAsync('weir/1/gw1/live', 'junk', { qos: 1 });
  await client.publishAsync('weir/1/gw1/live', Buffer.alloc(BATCH_LIMITS.bytesMax + 1), { qos: 1 });
  const { counts } = await running.hub.fleet.refusedBy('gw1');
  expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(2);
});

test('the operator API and the data plane share one port, each with its own lock', async () => {
  const url = `http://127.0.0.1:${running.address.api}`;
  const statusOf = async (path: string, headers = {}) => (await fetch(url + path, { headers })).status;
  expect(await statusOf('/api/v1/health')).toBe(200);
  expect(await statusOf('/api/v1/devices')).toBe(401);
  expect(await statusOf('/api/v1/devices', { authorization: `Bearer ${running.apiKey}` })).toBe(200);
  expect(await statusOf('/things/gw1/shadow', { authorization: `Bearer ${running.apiKey}` })).toBe(401);
  const metrics = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${running.apiKey}` } });
  expect(await metrics.text()).toContain('weir_log_lag_records 0');
});

test('a path that is not there is answered in the form that its caller reads: ours, or that of AWS', async () => {
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${running.address.api}${path}`);
    return { status: response.status, type: response.headers.get('x-amzn-errortype'), body: await response.json() };
  };
  const ours = { status: 404, type: null, body: { error: { code: 'route-unknown', remedy: expect.any(String) } } };
  for (const path of ['/', '/nothing', '/api/v2/devices']) expect(await ask(path)).toMatchObject(ours);
  const ofAws = { status: 404, type: 'ResourceNotFoundException', body: { message: expect.any(String) } };
  for (const path of ['/things/gw1', '/topics?x=1']) expect(await ask(path)).toEqual(ofAws);
});

test('a start that fails lets go of what it had: a second hub on the same port is told, the first goes on', async () => {
  const taken = parseConfig(LISTEN.replace('api: { port: 0 }', `api: { port: ${running.address.api} }`), 'test');
  const store = await openSqliteStore({ file: join(folder, 'other-store.db') });
  const log = await openSqliteLog({ file: join(folder, 'other-log.db') });
  const random = (bytes: number) => randomBytes(bytes);
  const identity = await openIdentity({ folder: join(folder, 'other'), hosts: ['localhost'], now: 0, random });
  const logger = pino({ level: 'silent' });
  const audit = await openAudit({ store, now: Date.now, logger }, AUDIT);
  const access = await openAccess({ store, random, now: Date.now, logger }, { masterKey: random(32) });
  const second = createHub(
    {
      ...{
        signingKey: KEYS.hub,
        log,
        store,
        identity,
        access,
        audit,
        network: socketNetwork,
        clock: systemClock,
        random,
        logger,
      },
      sandbox: createSandbox(),
      sendHttp: noRequests,
    },
    { config: taken, secretsKey: random(32) },
  );
  await expect(second.start()).rejects.toMatchObject({
    code: 'port-taken',
    remedy: expect.stringContaining('--api-port'),
  });
  await log.close();
  await store.close();
  expect((await fetch(`http://127.0.0.1:${running.address.api}/api/v1/health`)).status).toBe(200);
});

test('a data folder that is in use is said so', async () => {
  await expect(openSqliteStore({ file: join(folder, 'store.db') })).rejects.toMatchObject({ code: 'data-in-use' });
}, 15_000);
