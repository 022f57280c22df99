/** Each limit of AWS IoT Core: what is just within it is taken, what is over it becomes what it becomes there. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { commandTopic, shadowPrefix } from '@weir/protocols';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { generate } from 'mqtt-packet';
import pino from 'pino';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DeviceFixture, signedDevice } from '../identity/device.fixture.ts';
import { openIdentity } from '../identity/identity.ts';
import { createMemoryLog } from '../log/memory.ts';
import { createAedesFront } from './aedes.ts';
import { AWS_LIMITS, StrictConnection, StrictConnects, strictKeepAlive, topicFault } from './aws-strict.ts';
import { Backfill } from './backfill.ts';
import { batch, fakeFleet } from './front.fixture.ts';
import type { Front } from './front.ts';

let now: number;
let wake: (() => void)[];
const clock = {
  now: () => now,
  sleep: (_ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve) => {
      wake.push(resolve);
      signal?.addEventListener('abort', () => resolve());
    }),
};
beforeEach(() => {
  now = 1_700_000_000_000;
  wake = [];
});

describe('topics', () => {
  const levels = (count: number) => Array(count).fill('a').join('/');
  test.each<[string, string, string | undefined]>([
    ['256 bytes', 'x'.repeat(256), undefined],
    ['257 bytes', 'x'.repeat(257), 'a topic has over 256 bytes'],
    ['bytes, not characters', 'é'.repeat(129), 'a topic has over 256 bytes'],
    ['seven slashes', levels(8), undefined],
    ['eight slashes', levels(9), 'a topic has over 7 slashes'],
    ['the prefix of Basic Ingest does not count', `$aws/rules/weir/${levels(8)}`, undefined],
    ['the longest topic of a shadow', `${shadowPrefix('t'.repeat(128), 's'.repeat(64))}/update/accepted`, undefined],
  ])('%s', (_, topic, fault) => {
    expect(topicFault(topic)).toBe(fault);
  });
});

test.each([
  [0, 1_200],
  [5, 30],
  [30, 30],
  [600, 600],
  [1_200, 1_200],
  [5_000, 1_200],
])('who asks for a keep alive of %i s gets %i s', (asked, held) => {
  expect(strictKeepAlive(asked)).toBe(held);
});

test('a client id connects once a second', () => {
  const connects = new StrictConnects();
  expect(connects.faultOf('gw1', now)).toBeUndefined();
  expect(connects.faultOf('gw1', now + 500)).toMatch(/more than once a second/);
  expect(connects.faultOf('gw2', now + 500)).toBeUndefined();
  expect(connects.faultOf('gw1', now + 1_000)).toBeUndefined();
});

describe('publishes of a connection', () => {
  const message = (qos: number, topic = 'weir/1/gw1/live') => ({ topic, qos, retain: false });

  test('a hundred a second are taken, more are discarded, and those behind them are taken again', () => {
    const strict = new StrictConnection(clock);
    const verdicts = Array.from({ length: 120 }, () => strict.publish(message(0), 10));
    expect(verdicts.filter((verdict) => verdict === 'take').length).toBe(100);
    expect(verdicts.slice(100)).toEqual(Array(20).fill('discard'));
    now += 50;
    expect(Array.from({ length: 6 }, () => strict.publish(message(0), 10)).join()).toBe(
      'take,take,take,take,take,discard',
    );
  });

  test('a hundred may be unacknowledged', () => {
    const strict = new StrictConnection(clock);
    for (let n = 0; n < 100; n++) expect(strict.publish(message(1), 10)).toBe('take');
    now += 1_000;
    expect([strict.publish(message(1), 10), strict.publish(message(0), 10)]).toEqual(['discard', 'take']);
    strict.published(message(1));
    expect(strict.publish(message(1), 10)).toBe('take');
  });

  test('128 KiB of payload are taken, a byte more ends the connection; QoS 2 is not answered', () => {
    const strict = new StrictConnection(clock);
    expect(strict.publish(message(1), AWS_LIMITS.payloadBytesMax)).toBe('take');
    expect(strict.publish(message(1), AWS_LIMITS.payloadBytesMax + 1)).toEqual({
      end: expect.stringMatching(/131072/),
    });
    expect(strict.publish(message(2), 10)).toBe('discard');
    expect(strict.publish(message(0, 'x'.repeat(300)), 10)).toEqual({ end: expect.stringMatching(/256 bytes/) });
  });
});

test('to a client go a hundred messages a second, and no more than a hundred without its acknowledgement', () => {
  const strict = new StrictConnection(clock);
  const sent = Array.from({ length: 120 }, () => strict.maySend(0));
  expect(sent.filter(Boolean).length).toBe(100);
  now += 10_000;
  for (let id = 1; id <= 100; id++) strict.sent(id);
  expect([strict.maySend(1), strict.maySend(0)]).toEqual([false, true]);
  strict.acknowledged(7);
  expect(strict.maySend(1)).toBe(true);
});

test('over 512 KiB a second are read later', () => {
  const strict = new StrictConnection(clock);
  let resumed = 0;
  const resume = () => resumed++;
  expect(strict.holds(resume)).toBe(false);
  strict.read(
    generate({ cmd: 'publish', topic: 'a', payload: Buffer.alloc(524_270), qos: 0, dup: false, retain: false }),
  );
  expect(strict.holds(resume)).toBe(false);
  strict.read(
    generate({ cmd: 'publish', topic: 'a', payload: Buffer.alloc(5_000), qos: 0, dup: false, retain: false }),
  );
  expect([strict.holds(resume), strict.holds(resume), wake.length]).toEqual([true, true, 1]);
  now += 20;
  wake[0]!();
  expect(strict.holds(resume)).toBe(false);
});

describe('a SUBSCRIBE', () => {
  const subscribe = (...topics: string[]) =>
    generate({ cmd: 'subscribe', messageId: 1, subscriptions: topics.map((topic) => ({ topic, qos: 1 as const })) });
  const many = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `t/${from + n}`);

  test('of eight filters is taken, of nine it ends the connection', () => {
    expect(new StrictConnection(clock).read(subscribe(...many(8)))).toBeUndefined();
    expect(new StrictConnection(clock).read(subscribe(...many(9)))).toMatch(/over 8 filters/);
  });

  test('is looked at also when it comes in parts', () => {
    const strict = new StrictConnection(clock);
    const bytes = subscribe(...many(9));
    expect(strict.read(bytes.subarray(0, 10))).toBeUndefined();
    expect(strict.read(bytes.subarray(10))).toMatch(/over 8 filters/);
  });

  test('beyond fifty subscriptions ends the connection; one again, or in the place of another, does not', () => {
    const strict = new StrictConnection(clock);
    for (let from = 0; from < 48; from += 8) expect(strict.read(subscribe(...many(8, from)))).toBeUndefined();
    expect(strict.read(subscribe('t/48', 't/49', 't/0'))).toBeUndefined();
    strict.read(generate({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['t/0'] }));
    expect(strict.read(subscribe('t/50'))).toBeUndefined();
    expect(strict.read(subscribe('t/51'))).toMatch(/over 50 subscriptions/);
  });

  test('with a filter that is too deep ends the connection', () => {
    expect(new StrictConnection(clock).read(subscribe('a/a/a/a/a/a/a/a/#'))).toMatch(/over 7 slashes/);
  });
});

describe('a front that is strict', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weir-strict-'));
  const hosts = ['localhost', '127.0.0.1'];
  const identity = await openIdentity({ folder, hosts, now: Date.now(), random: randomBytes });
  const gw1 = await signedDevice(identity, 'gw1');
  const stranger = await signedDevice(identity, 'gw9');
  let front: Front;
  let port: number;
  const clients: MqttClient[] = [];

  beforeEach(async () => {
    now = Date.now();
    const told = { onListening() {}, onLifecycle() {}, onFlapping() {}, async *online() {} };
    const backfill = new Backfill({ now: clock.now, tell() {} });
    const logger = pino({ level: 'silent' });
    const own = { log: createMemoryLog(), fleet: fakeFleet([gw1]), shadows: { async request() {} } };
    const ports = { identity, ...own, ...told, backfill, logger, clock, random: randomBytes };
    front = createAedesFront(ports, { host: '127.0.0.1', port: 0, option: '--mqtt-port', isStrict: true });
    port = await front.start();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.end(true);
    await front.stop();
  });
  afterAll(() => rm(folder, { recursive: true }));

  function connect(device: DeviceFixture, more: IClientOptions = {}): Promise<MqttClient> {
    now += 1_000;
    const of = { key: device.key, cert: device.cert, ca: identity.ca, clientId: device.device, reconnectPeriod: 0 };
    const client = mqtt.connect(`mqtts://localhost:${port}`, { ...of, ...more });
    clients.push(client);
    return new Promise((resolve, reject) => {
      client.once('connect', () => resolve(client));
      client.once('error', reject);
      client.once('close', () => reject(new Error('closed')));
    });
  }
  const closed = (client: MqttClient) => new Promise<void>((resolve) => client.once('close', () => resolve()));

  test('takes what is within the limits, and holds a keep alive of 30 s', async () => {
    const client = await connect(gw1, { keepalive: 5 });
    await client.subscribeAsync([`${shadowPrefix('gw1')}/get/accepted`, commandTopic('gw1')], { qos: 1 });
    await client.publishAsync('$aws/rules/weir/weir/1/gw1/live', batch(1), { qos: 1 });
    expect(front.connections.get('gw1')).toMatchObject({ connected: true, keepAliveS: 30 });
  });

  test('ends a connection over the filters of a SUBSCRIBE, and says that it was the client', async () => {
    const client = await connect(gw1);
    const filters = Array.from({ length: 9 }, (_, n) => `${shadowPrefix('gw1', `s${n}`)}/get/accepted`);
    client.subscribe(filters);
    await closed(client);
    await expect.poll(() => front.connections.get('gw1')?.disconnectReason).toBe('CLIENT_ERROR');
    expect(front.counts().forbidden).toBe(1);
  });

  test('ends a connection over the size of a payload', async () => {
    const client = await connect(gw1);
    client.publish('weir/1/gw1/live', Buffer.alloc(131_073), { qos: 1 });
    await closed(client);
  });

  test('does not answer QoS 2, and goes on', async () => {
    const client = await connect(gw1);
    let isAnswered = false;
    client.publish('weir/1/gw1/live', batch(1), { qos: 2 }, () => {
      isAnswered = true;
    });
    await client.publishAsync('weir/1/gw1/live', batch(2), { qos: 1 });
    expect([isAnswered, front.counts().kept]).toEqual([false, 1]);
  });

  test('refuses whom it does not know with code 7, and who comes twice a second with nothing', async () => {
    await expect(connect(stranger)).rejects.toMatchObject({ code: 7 });
    await connect(gw1);
    now -= 1_000;
    await expect(connect(gw1)).rejects.toThrow();
    expect(front.connected()).toBe(1);
  });

  test('speaks MQTT to who says so by ALPN, as on port 443 of AWS', async () => {
    const socket = connectTls({ host: 'localhost', port, ca: identity.ca, ALPNProtocols: ['x-amzn-mqtt-ca'] });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    expect(socket.alpnProtocol).toBe('x-amzn-mqtt-ca');
    socket.destroy();
  });
});
