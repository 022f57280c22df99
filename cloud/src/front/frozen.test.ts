/** Devices that take nothing of what they are sent, or bring more than they may. */
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { commandTopic, shadowPrefix, uplinkTopic } from '@weir/protocols';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { batch } from './front.fixture.ts';
import { makeIdentity, RunningFront } from './running-front.fixture.ts';

const MIB = 2 ** 20;
const identity = await makeIdentity();
let running: RunningFront;
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes of buffers that something still refers to. */
function heldBytes(): number {
  collect();
  return process.memoryUsage().arrayBuffers;
}

afterEach(() => running.stop());
afterAll(() => identity.remove());

describe('devices that are frozen', () => {
  test('delay nobody, and are cut off at what they may leave waiting', async () => {
    const frozen = ['f1', 'f2', 'f3', 'f4', 'f5'];
    running = await RunningFront.start(identity, ['gw1', ...frozen], { outboundBytesMax: MIB });
    const alive = await running.connect('gw1');
    await alive.subscribeAsync(commandTopic('gw1'), { qos: 1 });
    const heard = new Map<string, () => void>();
    alive.on('message', (_topic, payload) => heard.get(`${payload}`)?.());
    for (const name of frozen) {
      const client = running.raw(name);
      client.connect(name);
      await client.got('connack');
      const subscriptions = [{ topic: `${shadowPrefix(name)}/update/delta`, qos: 1 as const }];
      client.sendPacket({ cmd: 'subscribe', messageId: 1, subscriptions });
      await client.got('suback');
      client.socket.pause();
    }
    const large = 'x'.repeat(100_000);
    const delaysMs: number[] = [];
    for (let n = 0; n < 200; n++) {
      for (const name of frozen) await running.front.publish(`${shadowPrefix(name)}/update/delta`, large);
      const told = new Promise<void>((resolve) => heard.set(`${n}`, resolve));
      const from = performance.now();
      await running.front.publish(commandTopic('gw1'), `${n}`);
      await told;
      delaysMs.push(performance.now() - from);
    }
    const longestMs = Math.max(...delaysMs);
    expect(longestMs, `one of 200 messages took ${longestMs} ms`).toBeLessThan(5_000);
    await expect.poll(() => running.front.counts().slow_consumer).toBe(frozen.length);
    for (const name of frozen) {
      await expect.poll(() => running.front.connections.get(name)).toMatchObject({ disconnectReason: 'THROTTLED' });
    }
    expect(running.front.connections.get('gw1')!.connected).toBe(true);
  }, 60_000);

  test('all together leave no more in memory than they may', async () => {
    const frozen = Array.from({ length: 20 }, (_, n) => `f${n}`);
    const limits = { outboundBytesMax: 8 * MIB, outboundTotalBytesMax: 16 * MIB };
    running = await RunningFront.start(identity, frozen, limits);
    for (const name of frozen) {
      const client = running.raw(name);
      client.connect(name);
      await client.got('connack');
      client.socket.pause();
    }
    await expect.poll(() => running.front.connected()).toBe(frozen.length);
    const before = heldBytes();
    let growth = 0;
    for (let n = 0; n < 120; n++) {
      for (const name of frozen) {
        await running.front.connections.sendDirect(name, 't', Buffer.alloc(128 * 1_024));
      }
      await new Promise((resolve) => setImmediate(resolve));
      if (n % 10 === 9) growth = Math.max(growth, heldBytes() - before);
    }
    // 300 MiB were sent. 16 may wait, which TLS holds in clear and sealed; 25 more are of the ten rounds before a look.
    expect(growth / MIB, 'MiB that messages took').toBeLessThan(100);
    expect(running.front.counts().slow_consumer).toBeGreaterThan(0);
  }, 60_000);

  test('one that does not even take its acknowledgements is not read, and loses nothing of what it was told is kept', async () => {
    running = await RunningFront.start(identity, ['gw1', 'gw2']);
    const client = running.raw('gw1');
    client.connect('gw1');
    await client.got('connack');
    client.socket.pause();
    for (let n = 0; n < 500; n++) {
      const packet = { cmd: 'publish', topic: uplinkTopic('gw1', 'live'), payload: batch(n), qos: 1, messageId: n + 1 };
      client.sendPacket({ ...packet, dup: false, retain: false } as never);
    }
    const alive = await running.connect('gw2');
    await alive.publishAsync(uplinkTopic('gw2', 'live'), batch(0), { qos: 1 });
    client.socket.resume();
    await expect.poll(() => client.packets.filter(({ cmd }) => cmd === 'puback').length, { timeout: 20_000 }).toBe(500);
    expect(running.front.counts().kept).toBe(501);
  }, 30_000);
});

describe('a connection that brings too much', () => {
  test('is read no faster than it may be; nothing is dropped, and its neighbour does not wait', async () => {
    running = await RunningFront.start(identity, ['gw1', 'gw2'], { packetsPerS: 200 });
    const [flood, other] = [await running.connect('gw1'), await running.connect('gw2')];
    const from = performance.now();
    const all = Array.from({ length: 600 }, (_, n) =>
      flood.publishAsync(uplinkTopic('gw1', 'live'), batch(n, 60), { qos: 1 }),
    );
    await other.publishAsync(uplinkTopic('gw2', 'live'), batch(0), { qos: 1 });
    const otherMs = performance.now() - from;
    await Promise.all(all);
    const floodMs = performance.now() - from;
    // One second's worth at once, and what one read of the socket brings.
    expect(floodMs, '600 packets at 200 a second').toBeGreaterThan(1_000);
    expect(otherMs).toBeLessThan(floodMs);
    expect(running.front.counts()).toMatchObject({ kept: 601, forbidden: 0 });
    expect(running.front.counts().throttled).toBeGreaterThan(0);
  }, 60_000);

  test('comes too often: it is told that the hub has no time, and others of its address come in', async () => {
    running = await RunningFront.start(identity, ['gw1', 'gw2'], { deviceConnectsBurst: 3, deviceConnectsPerS: 1 });
    const codes: unknown[] = [];
    for (let n = 0; n < 4; n++) {
      const client = running.raw('gw1');
      client.connect('gw1');
      codes.push((await client.got('connack')).returnCode);
    }
    expect(codes).toEqual([0, 0, 0, 3]);
    expect(running.front.counts().connects_over_rate).toBe(1);
    await running.connect('gw2');
  });
});

describe('sockets that have not said who they are', () => {
  test('are few, and are gone after the time to connect; meanwhile devices come in', async () => {
    const limits = { addressPendingMax: 50, pendingMax: 60, connectTimeoutMs: 2_000 };
    running = await RunningFront.start(identity, ['gw1'], limits);
    const closed = Array.from({ length: 200 }, () => {
      const socket = connect(running.port, '127.0.0.1').on('error', () => {});
      return new Promise((resolve) => socket.once('close', resolve));
    });
    const turnedAway = () => running.front.counts().connections_over_limit;
    await expect.poll(turnedAway, { timeout: 20_000 }).toBeGreaterThanOrEqual(150);
    await Promise.all(closed);
    await running.connect('gw1');
  }, 30_000);

  test('have no more than one small packet read, whether they have a certificate or not', async () => {
    running = await RunningFront.start(identity, ['gw1']);
    for (const name of ['gw1', undefined]) {
      const client = running.raw(name);
      // A CONNECT that says it has 256 MB.
      client.send(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
      for (let n = 0; n < 20; n++) client.send(Buffer.alloc(MIB));
      await client.closed;
    }
    expect(running.front.counts()['packet-too-large']).toBe(1);
  });
});
