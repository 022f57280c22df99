/** The front over real TLS. It is one file because all its tests share the CA, the devices and the front that runs. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { BacklogPace } from '@weir/protocols';
import { encodeBatch } from '@weir/protocols';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { generate } from 'mqtt-packet';
import pino from 'pino';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../clock/clock.ts';
import { type DeviceFixture, signedDevice } from '../identity/device.fixture.ts';
import { type Identity, openIdentity } from '../identity/identity.ts';
import { type Log, LogError, partitionOf } from '../log/log.ts';
import { createMemoryLog } from '../log/memory.ts';
import { decodePresence } from '../log/presence-record.ts';
import { createAedesFront } from './aedes.ts';
import { Backfill, WAIT_MS } from './backfill.ts';
import { batch, fakeFleet, parserOf } from './front.fixture.ts';
import type { Front, FrontOptions } from './front.ts';
import type { LifecycleEvent } from './lifecycle.ts';

const folder = await mkdtemp(join(tmpdir(), 'weir-front-'));
const identity = await openIdentity({
  folder,
  hosts: ['localhost', '127.0.0.1'],
  now: Date.now(),
  random: randomBytes,
});
const otherFolder = await mkdtemp(join(tmpdir(), 'weir-front-'));
const foreign = await openIdentity({ folder: otherFolder, hosts: ['localhost'], now: Date.now(), random: randomBytes });
const gw1 = await signedDevice(identity, 'gw1');
const gw2 = await signedDevice(identity, 'gw2');

async function* nobody() {}

const LISTEN = { host: '127.0.0.1', port: 0, option: '--mqtt-port' };

let log: Log;
let fleet: ReturnType<typeof fakeFleet>;
let backfill: Backfill;
let paced: [device: string, pace: BacklogPace][];
let front: Front;
let port: number;
const requests: string[] = [];
const listening: string[] = [];
const lifecycle: LifecycleEvent[] = [];
const flapping: string[] = [];
const clients: MqttClient[] = [];
const sockets: TLSSocket[] = [];

async function startFront(options: Partial<FrontOptions> = {}, ownLog: Log = createMemoryLog()): Promise<void> {
  log = ownLog;
  fleet = fakeFleet([gw1, gw2]);
  const shadows = {
    async request(device: string, name: string | undefined, verb: string) {
      requests.push(`${device} ${name} ${verb}`);
    },
  };
  const logger = pino({ level: 'silent' });
  const onListening = (device: string) => void listening.push(device);
  paced = [];
  backfill = new Backfill({ now: Date.now, tell: (device, pace) => paced.push([device, pace]) });
  lifecycle.length = 0;
  flapping.length = 0;
  const told = {
    onListening,
    onLifecycle: (event: LifecycleEvent) => void lifecycle.push(event),
    onFlapping: (device: string) => void flapping.push(device),
  };
  const own = { online: nobody, ...told, backfill, clock: systemClock, random: randomBytes };
  front = createAedesFront({ identity, log, fleet, shadows, logger, ...own }, { ...LISTEN, ...options });
  port = await front.start();
}

beforeEach(async () => {
  requests.length = 0;
  listening.length = 0;
  await startFront();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.end(true);
  for (const socket of sockets.splice(0)) socket.destroy();
  await front.stop();
});

afterAll(async () => {
  for (const each of [folder, otherFolder]) await rm(each, { recursive: true });
});

function options(device: DeviceFixture, more: IClientOptions = {}): IClientOptions {
  return {
    host: '127.0.0.1',
    port,
    protocol: 'mqtts',
    servername: 'localhost',
    ca: identity.ca,
    key: device.key,
    cert: device.cert,
    clientId: device.device,
    reconnectPeriod: 0,
    ...more,
  };
}

function connect(device: DeviceFixture, more: IClientOptions = {}): MqttClient {
  const client = mqtt.connect(options(device, more));
  client.on('error', () => {});
  clients.push(client);
  return client;
}

async function connected(device: DeviceFixture, more: IClientOptions = {}): Promise<MqttClient> {
  const client = connect(device, more);
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('error', reject);
    client.once('close', () => reject(new Error('closed')));
  });
  // The answer to its CONNECT is on its way before the front counts it.
  await vi.waitFor(() => expect(front.connections.get(device.device)?.connected).toBe(true));
  return client;
}

const ended = (client: MqttClient) => new Promise<void>((resolve) => client.once('close', () => resolve()));

function rawTls(device?: DeviceFixture, ca: Identity = identity): TLSSocket {
  const credentials = device === undefined ? {} : { key: device.key, cert: device.cert };
  const socket = connectTls({ host: '127.0.0.1', port, servername: 'localhost', ca: ca.ca, ...credentials });
  socket.on('error', () => {});
  sockets.push(socket);
  return socket;
}

const records = (device: string) =>
  log.read(partitionOf(device, log.partitions), undefined, { limit: 1000, waitMs: 0 });
const kept = async (device = 'gw1') => (await records(device)).filter(({ lane }) => lane !== 'presence');

describe('who may connect', () => {
  test('a device with its certificate, under its own name, and its presence is told', async () => {
    const client = await connected(gw1);
    await vi.waitFor(() => expect(fleet.presence_).toEqual([['gw1', true]]));
    expect(front.connected()).toBe(1);
    client.end(true);
    await vi.waitFor(() => expect(fleet.presence_.at(-1)).toEqual(['gw1', false]));
  });

  test('the log is told that it came before it has anything of it, and that it left', async () => {
    const client = await connected(gw1);
    await client.publishAsync('weir/1/gw1/live', batch(0), { qos: 1 });
    client.end(true);
    await vi.waitFor(async () => expect((await records('gw1')).map(({ lane }) => lane)).toHaveLength(3));
    expect((await records('gw1')).map(({ lane }) => lane)).toEqual(['presence', 'live', 'presence']);
  });

  test('a device that takes over its own connection has neither left nor come again', async () => {
    const first = await connected(gw1);
    const second = await connected(gw1);
    await vi.waitFor(() => expect(first.connected).toBe(false));
    second.end(true);
    await vi.waitFor(async () => expect(await records('gw1')).toHaveLength(3));
    const told = (await records('gw1')).map(({ payload }) => decodePresence(payload));
    expect(told.map(({ online }) => online)).toEqual([true, true, false]);
    expect(told[2]!.session).toEqual(told[1]!.session);
  });

  test('a device that answers no more is told as gone', async () => {
    const socket = rawTls(gw1);
    socket.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'gw1', keepalive: 1 }));
    await vi.waitFor(() => expect(fleet.presence_).toEqual([['gw1', true]]));
    await vi.waitFor(() => expect(fleet.presence_.at(-1)).toEqual(['gw1', false]), { timeout: 10_000 });
    await vi.waitFor(async () => expect(await records('gw1')).toHaveLength(2));
  });

  test('not under another name than the certificate has', async () => {
    await expect(connected(gw1, { clientId: 'gw2' })).rejects.toThrow();
    expect(front.counts().unauthorized).toBe(1);
  });

  test('not with a certificate of another CA, nor with none', async () => {
    const stranger = await signedDevice(foreign, 'gw1');
    await expect(connected(stranger)).rejects.toThrow();
    await expect(
      connected({ ...gw1, key: '', cert: '' }, { key: undefined, cert: undefined } as never),
    ).rejects.toThrow();
    await vi.waitFor(() => expect(front.counts().unauthorized).toBe(2));
  });

  test('not with a certificate that has been replaced or revoked', async () => {
    const older = await signedDevice(identity, 'gw1');
    await expect(connected(older)).rejects.toThrow(/[Nn]ot authorized/);
    fleet.revoke('gw1');
    await expect(connected(gw1)).rejects.toThrow(/[Nn]ot authorized/);
  });

  test('a second connection of a device takes over, and the device counts as connected', async () => {
    const first = await connected(gw1);
    const gone = ended(first);
    await connected(gw1);
    await gone;
    await vi.waitFor(() => expect(fleet.presence_.at(-1)).toEqual(['gw1', true]));
    expect(front.connected()).toBe(1);
  });

  test('no last will', async () => {
    await expect(
      connected(gw1, { will: { topic: 'x', payload: Buffer.from('x'), qos: 0, retain: false } }),
    ).rejects.toThrow();
  });

  test('no more connections than the limit', async () => {
    await front.stop();
    await startFront({ limits: { connectionsMax: 1 } });
    await connected(gw1);
    await expect(connected(gw2)).rejects.toThrow();
    expect(front.counts().connections_over_limit).toBe(1);
  });

  test('a socket that says nothing is cut off', async () => {
    await front.stop();
    await startFront({ limits: { connectTimeoutMs: 50 } });
    const socket = rawTls(gw1);
    await new Promise((resolve) => socket.once('close', resolve));
  });
});

describe('a backlog', () => {
  test('is acknowledged when the log has it, in its turn; what the worker has not passed is counted', async () => {
    const client = await connected(gw1);
    const order: string[] = [];
    await Promise.all(
      ['backfill', 'live', 'backfill', 'live', 'backfill', 'backfill'].map(async (lane, i) => {
        await client.publishAsync(`weir/1/gw1/${lane}`, batch(i), { qos: 1 });
        order.push(`${lane} ${i}`);
      }),
    );
    expect(order).toEqual(['backfill 0', 'live 1', 'backfill 2', 'live 3', 'backfill 4', 'backfill 5']);
    expect(paced).toEqual([['gw1', { backlogWaitMs: WAIT_MS }]]);
  });

  test('that is no batch counts for none', async () => {
    const client = await connected(gw1);
    for (let i = 0; i < 4; i++) await client.publishAsync('weir/1/gw1/backfill', Buffer.from('what?'), { qos: 1 });
    await client.publishAsync('weir/1/gw1/backfill', batch(0), { qos: 1 });
    expect([fleet.refused_.length, paced]).toEqual([4, []]);
  });
});

describe('uplink', () => {
  test('what is acknowledged is in the log, in order', async () => {
    const client = await connected(gw1);
    const sent = Array.from({ length: 50 }, (_, n) => batch(n * 2));
    await Promise.all(sent.map((payload) => client.publishAsync('weir/1/gw1/live', payload, { qos: 1 })));
    const records = await kept();
    expect(records.map(({ payload }) => Buffer.from(payload))).toEqual(sent);
    expect(records[0]).toMatchObject({ device: 'gw1', lane: 'live' });
  });

  test('what is not durable is not acknowledged, and the connection ends so that the device sends again', async () => {
    await front.stop();
    const failing = createMemoryLog();
    failing.append = async () => {
      throw new LogError('full', 'the log has reached its limit in bytes');
    };
    await startFront({}, failing);
    const client = await connected(gw1);
    const gone = ended(client);
    let acknowledged = false;
    client.publish('weir/1/gw1/live', batch(0), { qos: 1 }, (error) => {
      acknowledged = error === undefined || error === null;
    });
    await gone;
    expect(acknowledged).toBe(false);
    expect(front.counts().not_durable).toBe(1);
  });

  test('bad batches are acknowledged, counted by reason, kept aside, and the stream goes on', async () => {
    const client = await connected(gw1);
    const good = batch(0);
    const wrongVersion = Buffer.from(good);
    wrongVersion[wrongVersion.indexOf('v') + 1] = 9;
    const bad: [Buffer, string][] = [
      [wrongVersion, 'version'],
      [good.subarray(0, 20), 'truncated'],
      [Buffer.alloc(0), 'truncated'],
      [Buffer.from('{"temperature": 4}'), 'malformed'],
      [Buffer.alloc(200_000, 1), 'too-large'],
    ];
    for (const [payload] of bad) await client.publishAsync('weir/1/gw1/live', payload, { qos: 1 });
    await client.publishAsync('weir/1/gw1/live', good, { qos: 1 });
    expect(fleet.refused_).toEqual(bad.map(([{ length }, reason]) => ({ device: 'gw1', reason, bytes: length })));
    expect((await kept()).length).toBe(1);
  });

  test('a report of a type that is not known is counted and kept aside alone: the rest of its batch is kept', async () => {
    const client = await connected(gw1);
    const done = { type: 'command-done' as const, id: 'c1', ts: 1, outcome: 'done' as const };
    const reports = [done, { ...done, type: 'battery' as 'command-done' }];
    const payload = Buffer.from(encodeBatch({ kind: 'reports', epoch: 'e1', seq: 0, count: 2, reports }));
    await client.publishAsync('weir/1/gw1/report', payload, { qos: 1 });
    expect(fleet.refused_.map(({ reason }) => reason)).toEqual(['unknown-type']);
    expect(await kept()).toMatchObject([{ device: 'gw1', lane: 'report' }]);
  });

  test('bad alerts and those in the name of another device are kept aside alone: the rest of their batch is kept', async () => {
    const client = await connected(gw1);
    const foreign = {
      episode: 'abcdefgh12345678',
      seq: 1,
      state: 'firing',
      reason: 'threshold',
      severity: 'warning',
      source: { kind: 'rule', name: 'hot', version: '1' },
      device: 'gw2',
      ts: 1_700_000_000_000,
      startedAt: 1_700_000_000_000,
      summary: 'hot',
    } as const;
    const good = { ...foreign, device: 'gw1' };
    const alerts = [good, { ...good, seq: 0 }, foreign, { ...good, seq: 2 }];
    const payload = Buffer.from(encodeBatch({ kind: 'alerts', epoch: 'e1', seq: 0, count: 4, alerts }));
    await client.publishAsync('weir/1/gw1/alert', payload, { qos: 1 });
    expect(fleet.refused_.map(({ reason }) => reason)).toEqual(['value', 'foreign-device']);
    expect(fleet.refused_.every(({ bytes }) => bytes < payload.length)).toBe(true);
    expect((await kept()).map(({ payload }) => Buffer.from(payload))).toEqual([payload]);
  });

  test('a device hears its own commands and no others, and the hub hears that it listens', async () => {
    const [first, second] = [await connected(gw1), await connected(gw2)];
    const heard: string[] = [];
    first.on('message', (topic, payload) => heard.push(`${topic} ${payload}`));
    await first.subscribeAsync('weir/1/gw1/command', { qos: 1 });
    await vi.waitFor(() => expect(listening).toEqual(['gw1']));
    await expect(second.subscribeAsync('weir/1/gw1/command', { qos: 1 })).rejects.toThrow();
    await front.publish('weir/1/gw2/command', '2');
    await front.publish('weir/1/gw1/command', '1');
    await vi.waitFor(() => expect(heard).toEqual(['weir/1/gw1/command 1']));
    expect(listening).toEqual(['gw1']);
  });

  test('an uplink message is not handed to subscribers', async () => {
    const client = await connected(gw1);
    await client.subscribeAsync('$aws/things/gw1/shadow/#', { qos: 1 });
    const heard: string[] = [];
    client.on('message', (topic) => heard.push(topic));
    await client.publishAsync('weir/1/gw1/live', batch(0), { qos: 1 });
    await client.publishAsync('$aws/things/gw1/shadow/get', '', { qos: 1 });
    await front.publish('$aws/things/gw1/shadow/get/accepted', '{}');
    await vi.waitFor(() => expect(heard).toEqual(['$aws/things/gw1/shadow/get/accepted']));
    expect(requests).toEqual(['gw1 undefined get']);
  });

  test('publishing what is not its own ends the connection and is told', async () => {
    const client = await connected(gw1);
    const gone = ended(client);
    client.publish('weir/1/gw2/live', batch(0), { qos: 1 });
    await gone;
    expect(fleet.refused_).toMatchObject([{ device: 'gw1', reason: 'forbidden' }]);
    expect(await kept('gw2')).toEqual([]);
  });
});

describe('what a device hears', () => {
  test('its own shadow, and nothing of others', async () => {
    const client = await connected(gw1);
    await expect(client.subscribeAsync('#', { qos: 1 })).rejects.toThrow();
    await expect(client.subscribeAsync('$aws/things/gw2/shadow/#', { qos: 1 })).rejects.toThrow();
    await client.subscribeAsync('$aws/things/gw1/shadow/name/weir/update/delta', { qos: 1 });
    const heard: string[] = [];
    client.on('message', (_topic, payload) => heard.push(payload.toString()));
    await front.publish('$aws/things/gw2/shadow/name/weir/update/delta', 'for gw2');
    await front.publish('$aws/things/gw1/shadow/name/weir/update/delta', 'for gw1');
    await vi.waitFor(() => expect(heard).toEqual(['for gw1']));
  });

  test('a message for it alone without a subscription, and whoever sent it learns of the PUBACK', async () => {
    const client = await connected(gw1);
    const heard: string[] = [];
    client.on('message', (topic, payload, { qos }) => heard.push(`${topic} ${payload} ${qos}`));
    const send = (payload: string, more = {}) =>
      front.connections.sendDirect('gw1', 'any/topic', Buffer.from(payload), more);
    expect(await send('first')).toBe('sent');
    expect(await send('second', { confirm: true, timeoutMs: 10_000 })).toBe('confirmed');
    expect(heard).toEqual(['any/topic first 0', 'any/topic second 1']);
    expect(front.connections.get('gw1')).toMatchObject({ connected: true, cleanSession: true, keepAliveS: 60 });
  });

  test('disconnect ends the connection of a device', async () => {
    const client = await connected(gw1);
    const gone = ended(client);
    expect(front.connections.disconnect('gw1')).toBe(true);
    await gone;
  });
});

describe('size limits', () => {
  test('a first packet over its limit is cut off at its header', async () => {
    const socket = rawTls(gw1);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(Buffer.from([0x10, 0xff, 0xff, 0x7f]));
    await closed;
    expect(front.counts()['packet-too-large']).toBe(1);
  });

  test('a batch sent right behind CONNECT, before its answer, is taken as any other', async () => {
    const payload = batch(0, 3000);
    expect(payload.length).toBeGreaterThan(4096);
    const packets = [
      { cmd: 'connect', clientId: 'gw1', protocolId: 'MQTT', protocolVersion: 4, clean: true, keepalive: 60 },
      { cmd: 'publish', topic: 'weir/1/gw1/live', payload, qos: 1, messageId: 1, dup: false, retain: false },
      {
        cmd: 'publish',
        topic: 'weir/1/gw1/live',
        payload: batch(3000),
        qos: 1,
        messageId: 2,
        dup: false,
        retain: false,
      },
    ] as const;
    for (const cut of [1, 100, Number.POSITIVE_INFINITY]) {
      const socket = rawTls(gw1);
      const acknowledged: number[] = [];
      const parser = parserOf((packet) => {
        if (packet.cmd === 'puback') acknowledged.push(packet.messageId!);
      });
      socket.on('data', (chunk) => parser.parse(chunk));
      const stream = Buffer.concat(packets.map((packet) => generate(packet)));
      socket.write(stream.subarray(0, cut));
      if (cut < stream.length) socket.write(stream.subarray(cut));
      await vi.waitFor(() => expect(acknowledged).toEqual([1, 2]));
      socket.destroy();
    }
    expect(front.counts()).toMatchObject({ kept: 6, 'packet-too-large': 0 });
  });

  test('whoever is not let in has nothing read behind its CONNECT', async () => {
    fleet.revoke('gw1');
    const socket = rawTls(gw1);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const connect = generate({ cmd: 'connect', clientId: 'gw1', protocolId: 'MQTT', protocolVersion: 4, clean: true });
    socket.write(Buffer.concat([connect, Buffer.alloc(1_000_000, 0x30)]));
    await closed;
    expect(front.counts()).toMatchObject({ unauthorized: 1, kept: 0, forbidden: 0, 'malformed-length': 0 });
  });

  test('a packet of a megabyte is cut off, and others stay connected', async () => {
    const other = await connected(gw2);
    const client = await connected(gw1);
    const gone = ended(client);
    client.publish('weir/1/gw1/live', Buffer.alloc(1_000_000), { qos: 1 });
    await gone;
    expect(front.counts()['packet-too-large']).toBe(1);
    await other.publishAsync('weir/1/gw2/live', batch(0), { qos: 1 });
  });

  test('a flood waits in the socket, not in memory, and loses nothing', async () => {
    await front.stop();
    const slow = createMemoryLog();
    const append = slow.append.bind(slow);
    let waiting = 0;
    let waitingMax = 0;
    slow.append = async (records) => {
      waiting += records[0]!.payload.length;
      waitingMax = Math.max(waitingMax, waiting);
      await new Promise((resolve) => setImmediate(resolve));
      waiting -= records[0]!.payload.length;
      await append(records);
    };
    await startFront({ limits: { connectionInFlightBytesMax: 50_000, inFlightBytesMax: 80_000 } }, slow);
    const [a, b] = [await connected(gw1), await connected(gw2)];
    const payload = batch(0, 500);
    const sends = Array.from({ length: 300 }, () => [
      a.publishAsync('weir/1/gw1/live', payload, { qos: 1 }),
      b.publishAsync('weir/1/gw2/live', payload, { qos: 1 }),
    ]).flat();
    await Promise.all(sends);
    expect((await kept('gw1')).length + (await kept('gw2')).length).toBe(600);
    // What one read of each socket may bring on top.
    expect(waitingMax).toBeLessThan(80_000 + 2 * 70_000);
  });
});
