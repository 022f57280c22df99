/** What clients send that is odd, or no MQTT at all. @see MQTT 3.1.1, and the interoperability suite of Eclipse Paho */
import { readdirSync } from 'node:fs';
import { commandTopic, shadowPrefix, uplinkTopic } from '@weir/protocols';
import { generate } from 'mqtt-packet';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { batch } from './front.fixture.ts';
import { streamOf } from './mqtt-fuzz.fixture.ts';
import { makeIdentity, type RawClient, RunningFront } from './running-front.fixture.ts';

const UNHURRIED = { addressConnectsBurst: 1_000_000, deviceConnectsBurst: 1_000_000 };
const identity = await makeIdentity();
let running: RunningFront;
beforeAll(async () => {
  running = await RunningFront.start(identity, ['gw1', 'gw2'], UNHURRIED);
});
afterAll(async () => {
  await running.stop();
  await identity.remove();
});

async function comeIn(): Promise<RawClient> {
  const client = running.raw('gw1');
  client.connect('gw1');
  await client.got('connack');
  return client;
}

const topic = uplinkTopic('gw1', 'live');
const good = generate({ cmd: 'publish', topic, payload: batch(0), qos: 1, messageId: 3, dup: false, retain: false });
const subscribe = generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: commandTopic('gw1'), qos: 1 }] });
const connect = generate({ cmd: 'connect', clientId: 'gw1', protocolId: 'MQTT', protocolVersion: 4, clean: true });

/** The same with another first byte. */
const flagged = (packet: Buffer, first: number) => Buffer.concat([Buffer.of(first), packet.subarray(1)]);

describe('after CONNECT', () => {
  test.each<[string, Buffer]>([
    ['a second CONNECT [MQTT-3.1.0-2]', connect],
    ['a CONNACK, which only the hub sends', Buffer.of(0x20, 2, 0, 0)],
    ['a SUBACK', Buffer.of(0x90, 3, 0, 1, 0)],
    ['a PINGRESP', Buffer.of(0xd0, 0)],
    ['the reserved type 0', Buffer.of(0x00, 0)],
    ['the reserved type 15', Buffer.of(0xf0, 0)],
    ['reserved bits of SUBSCRIBE [MQTT-3.8.1-1]', flagged(subscribe, 0x80)],
    ['reserved bits of PINGREQ [MQTT-2.2.2-2]', Buffer.of(0xc1, 0)],
    ['reserved bits of DISCONNECT', Buffer.of(0xe1, 0)],
    ['a QoS of 3 [MQTT-3.3.1-4]', flagged(good, 0x36)],
    ['a SUBSCRIBE without filters [MQTT-3.8.3-3]', Buffer.of(0x82, 2, 0, 1)],
    [
      'a SUBSCRIBE to a wildcard within a level [MQTT-4.7.1-3]',
      generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '$aws/things/gw+/shadow/get', qos: 1 }] }),
    ],
    ['a PUBLISH whose topic is longer than it', Buffer.of(0x30, 3, 0, 200, 65)],
    ['a PUBLISH without a topic', Buffer.of(0x30, 2, 0, 0)],
    [
      'a PUBLISH to a wildcard [MQTT-3.3.2-2]',
      generate({ cmd: 'publish', topic: 'weir/1/gw1/liv', payload: '', qos: 0, dup: false, retain: false }).fill(
        '+',
        13,
        16,
      ),
    ],
    ['a length that never ends [MQTT-2.2.3]', Buffer.of(0x30, 0xff, 0xff, 0xff, 0xff, 0xff)],
    ['nothing that is MQTT', Buffer.from('GET / HTTP/1.1\r\nhost: hub\r\n\r\n')],
  ])('%s ends the connection', async (_what, bytes) => {
    const client = await comeIn();
    client.send(bytes);
    await client.closed;
    expect(client.packets.map(({ cmd }) => cmd)).toEqual(['connack']);
  });

  test('what is odd and allowed is answered, and the stream goes on', async () => {
    const client = await comeIn();
    client.sendPacket({ cmd: 'pingreq' });
    await client.got('pingresp');
    // A release of what is not there is completed all the same. [MQTT-4.3.3-2]
    client.sendPacket({ cmd: 'pubrel', messageId: 9 });
    await client.got('pubcomp');
    // An acknowledgement of what was never sent.
    client.sendPacket({ cmd: 'puback', messageId: 9 });
    const twice = [
      { topic: commandTopic('gw1'), qos: 0 as const },
      { topic: commandTopic('gw1'), qos: 1 as const },
    ];
    client.sendPacket({ cmd: 'subscribe', messageId: 2, subscriptions: twice });
    await client.got('suback');
    client.sendPacket({ cmd: 'unsubscribe', messageId: 4, unsubscriptions: [commandTopic('gw1'), 'never/subscribed'] });
    await client.got('unsuback');
    await expect.poll(() => running.front.connections.subscriptions('gw1')).toEqual([]);
    client.sendPacket({
      ...{ cmd: 'publish', topic: `${shadowPrefix('gw1')}/get`, payload: '', qos: 1, messageId: 5 },
      ...{ dup: true, retain: false },
    });
    expect((await client.got('puback')).messageId).toBe(5);
    client.sendPacket({ cmd: 'disconnect' });
    await client.closed;
    await expect.poll(() => running.front.connections.get('gw1')?.disconnectReason).toBe('CLIENT_INITIATED_DISCONNECT');
  });

  test('who asks for QoS 2 gets 1, and is told so [MQTT-3.8.4-6]', async () => {
    const client = await comeIn();
    const asked = ([0, 1, 2] as const).map((qos) => ({ topic: `${shadowPrefix('gw1')}/get/${qos}`, qos }));
    client.sendPacket({ cmd: 'subscribe', messageId: 2, subscriptions: asked });
    expect((await client.got('suback')).granted).toEqual([0, 1, 1]);
  });

  test('a session is not kept, whatever was asked for, and it is said so', async () => {
    for (let n = 0; n < 2; n++) {
      const client = running.raw('gw1');
      client.connect('gw1', { clean: false });
      expect(await client.got('connack')).toMatchObject({ returnCode: 0, sessionPresent: false });
      expect(running.front.connections.subscriptions('gw1') ?? []).toEqual([]);
      client.send(subscribe);
      await client.got('suback');
      client.socket.destroy();
    }
  });

  test('a DISCONNECT ends what comes behind it [MQTT-3.14.4-2]', async () => {
    const client = await comeIn();
    const before = running.front.counts().kept;
    client.send(Buffer.concat([good, generate({ cmd: 'disconnect' }), good]));
    await client.closed;
    await expect.poll(() => running.front.counts().kept).toBe(before + 1);
  });
});

describe('in place of CONNECT', () => {
  test.each<[string, Buffer]>([
    ['a PUBLISH [MQTT-3.1.0-1]', good],
    ['a PINGREQ', Buffer.of(0xc0, 0)],
    ['its reserved flag [MQTT-3.1.2-3]', Buffer.from(connect).fill(connect[9]! | 1, 9, 10)],
    ['another protocol', Buffer.from(connect).fill('X', 4, 5)],
    ['half of it, and its end', connect.subarray(0, 8)],
    ['nothing', Buffer.alloc(0)],
    ['a TLS hello within TLS', Buffer.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01)],
  ])('%s ends the connection without an answer', async (_what, bytes) => {
    const client = running.raw('gw1');
    client.send(bytes);
    client.socket.end();
    await client.closed;
    expect(client.packets).toEqual([]);
  });

  test('a version that does not exist ends the connection without letting it in', async () => {
    const client = running.raw('gw1');
    client.send(Buffer.from(connect).fill(6, 8, 9));
    await client.closed;
    expect(client.packets).toEqual([]);
  });
});

/**
 * Streams of packets, whole, damaged and cut in odd places, from a seed. `FUZZ_SECONDS=3600 npx vitest run
 * cloud/src/front/odd-packets` goes on for an hour; `FUZZ_SEED` begins elsewhere.
 */
describe('any bytes at all', () => {
  const seconds = Number(process.env.FUZZ_SECONDS ?? 0);
  const from = Number(process.env.FUZZ_SEED ?? 1);
  const STREAMS = 80;

  test('end no more than their own connection, and leave nothing behind', {
    timeout: seconds * 1_000 + 60_000,
  }, async () => {
    const neighbour = await running.connect('gw2');
    const openFiles = () => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);
    const filesBefore = openFiles();
    const until = performance.now() + seconds * 1_000;
    for (let seed = from; seed < from + STREAMS || performance.now() < until; seed++) {
      const { chunks, isAuthenticated } = streamOf(seed);
      const client = running.raw(isAuthenticated ? 'gw1' : undefined);
      for (const chunk of chunks) client.send(chunk);
      client.socket.end();
      // A stream that is well-formed to its end stays open until its keepalive ends it.
      const late = setTimeout(() => client.socket.destroy(), 2_000);
      await client.closed;
      clearTimeout(late);
      if (seed % 25 !== 0) continue;
      const seq = seed - from;
      await neighbour.publishAsync(uplinkTopic('gw2', 'live'), batch(seq), { qos: 1 });
      expect(neighbour.connected, `after seed ${seed}`).toBe(true);
    }
    await expect.poll(() => running.front.connected(), { timeout: 10_000 }).toBe(1);
    await expect.poll(openFiles, { timeout: 10_000 }).toBeLessThanOrEqual(filesBefore);
  });
});
