/** Clients that speak MQTT 5, against a front over TLS. @see MQTT 5.0, by its numbers of requirements */
import { commandTopic, shadowPrefix, uplinkTopic } from '@weir/protocols';
import { generate, type Packet, parser } from 'mqtt-packet';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { batch } from './front.fixture.ts';
import { Mqtt5 } from './mqtt5.ts';
import { makeIdentity, type RawClient, RunningFront } from './running-front.fixture.ts';

const V5 = { protocolVersion: 5 } as const;
const CONNECT = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clientId: 'gw1', clean: true } as const;
const identity = await makeIdentity();
let running: RunningFront;
beforeAll(async () => {
  running = await RunningFront.start(identity, ['gw1', 'gw2'], { deviceConnectsBurst: 1_000 });
});
const opened: RawClient5[] = [];
afterEach(() => {
  for (const { raw } of opened.splice(0)) raw.socket.destroy();
});
afterAll(async () => {
  await running.stop();
  await identity.remove();
});

/** Sends and understands version 5. */
class RawClient5 {
  readonly raw: RawClient;
  readonly packets: Packet[] = [];

  constructor(raw: RawClient) {
    this.raw = raw;
    const understood = parser(V5);
    understood.on('packet', (packet) => void this.packets.push(packet));
    understood.on('error', (error) => void this.packets.push(error));
    raw.socket.on('data', (chunk) => understood.parse(chunk));
    opened.push(this);
  }

  send(packet: Packet): void {
    this.raw.send(generate(packet, V5));
  }

  /** The n-th of its kind. */
  async got<C extends Packet['cmd']>(cmd: C, n = 1): Promise<Extract<Packet, { cmd: C }>> {
    const found = () => this.packets.filter((each) => each.cmd === cmd)[n - 1];
    await expect.poll(() => found() !== undefined || this.raw.isClosed, { timeout: 5_000 }).toBe(true);
    const packet = found();
    if (packet === undefined) throw new Error(`ended without ${cmd}: ${JSON.stringify(this.packets)}`);
    return packet as Extract<Packet, { cmd: C }>;
  }
}

async function comeIn(more: object = {}, name = 'gw1'): Promise<RawClient5> {
  const client = new RawClient5(running.raw(name));
  client.send({ ...CONNECT, clientId: name, keepalive: 60, ...more });
  expect((await client.got('connack')).reasonCode).toBe(0);
  await expect.poll(() => running.front.connections.get(name)?.connected).toBe(true);
  return client;
}

const publish = (more: object) =>
  ({ cmd: 'publish', topic: '', payload: '', qos: 1, messageId: 9, dup: false, retain: false, ...more }) as Packet;

test('mqtt.js with version 5 sends, subscribes, hears, and goes', async () => {
  const client = await running.connect('gw1', { protocolVersion: 5 });
  const before = running.front.counts().kept;
  await client.publishAsync(uplinkTopic('gw1', 'live'), batch(0), { qos: 1, properties: { contentType: 'cbor' } });
  expect(running.front.counts().kept).toBe(before + 1);
  const heard = new Promise<string>((resolve) => client.once('message', (_topic, payload) => resolve(`${payload}`)));
  await client.subscribeAsync(commandTopic('gw1'), { qos: 1 });
  await running.front.publish(commandTopic('gw1'), 'do it', 1);
  expect(await heard).toBe('do it');
  await client.unsubscribeAsync(commandTopic('gw1'));
  await client.endAsync();
  await expect.poll(() => running.front.connections.get('gw1')?.disconnectReason).toBe('CLIENT_INITIATED_DISCONNECT');
});

describe('CONNACK', () => {
  test('says what the hub has not, as far as the client could go wrong', async () => {
    const client = await comeIn({ keepalive: 5_000, clean: false, properties: { sessionExpiryInterval: 3_600 } });
    expect(await client.got('connack')).toMatchObject({
      sessionPresent: false,
      properties: {
        sessionExpiryInterval: 0,
        serverKeepAlive: 1_200,
        maximumQoS: 1,
        retainAvailable: false,
        topicAliasMaximum: 8,
        maximumPacketSize: 262_144,
        wildcardSubscriptionAvailable: true,
        subscriptionIdentifiersAvailable: false,
        sharedSubscriptionAvailable: false,
      },
    });
  });

  test.each<[string, string | undefined, object, number]>([
    ['another client id than in the certificate', 'gw1', { clientId: 'gw2' }, 0x85],
    ['no client id', 'gw1', { clientId: '' }, 0x85],
    ['a last will', 'gw1', { will: { topic: 'a', payload: 'b', qos: 0, retain: false } }, 0x83],
    ['another way to say who one is', 'gw1', { properties: { authenticationMethod: 'SCRAM' } }, 0x8c],
    ['no room for a single message [MQTT-3.1.2]', 'gw1', { properties: { receiveMaximum: 0 } }, 0x82],
  ])('refuses %s', async (_what, name, more, reasonCode) => {
    const client = new RawClient5(running.raw(name));
    client.send({ ...CONNECT, ...more });
    await client.raw.closed;
    expect(client.packets).toMatchObject([{ cmd: 'connack', reasonCode }]);
  });

  test('comes when the CONNECT is there, however it is cut', async () => {
    const bytes = generate({ ...CONNECT, properties: { userProperties: { a: 'b' } } }, V5);
    const client = new RawClient5(running.raw('gw1'));
    for (const byte of bytes) {
      client.raw.send(Buffer.of(byte));
      await new Promise((resolve) => client.raw.socket.write('', resolve));
    }
    expect((await client.got('connack')).reasonCode).toBe(0);
  });
});

describe('why a connection ends is said', () => {
  const ends: [string, Packet, number][] = [
    ['a topic of somebody else', publish({ topic: uplinkTopic('gw2', 'live') }), 0x87],
    ['a retained message', publish({ topic: uplinkTopic('gw1', 'live'), retain: true }), 0x87],
    ['an alias that is none', publish({ topic: 'a', properties: { topicAlias: 9 } }), 0x94],
    ['an alias that nobody has set', publish({ properties: { topicAlias: 2 } }), 0x82],
    ['a second CONNECT [MQTT-3.1.0-2]', { ...CONNECT }, 0x82],
    ['AUTH', { cmd: 'auth', reasonCode: 0x18 }, 0x82],
    [
      'a subscription identifier',
      {
        ...{ cmd: 'subscribe', messageId: 3, properties: { subscriptionIdentifier: 7 } },
        subscriptions: [{ topic: commandTopic('gw1'), qos: 1 }],
      },
      0xa1,
    ],
  ];
  test.each(ends)('%s', async (_what, packet, reasonCode) => {
    const client = await comeIn();
    client.send(packet);
    await client.raw.closed;
    expect(client.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode });
  });

  test('a packet that is none', async () => {
    const client = await comeIn();
    client.raw.send(Buffer.of(0x30, 3, 0, 200, 65));
    await client.raw.closed;
    expect(client.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x81 });
  });

  test('a second connection of the device, and an operator', async () => {
    const first = await comeIn();
    const second = await comeIn();
    await first.raw.closed;
    expect(first.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x8e });
    running.front.connections.disconnect('gw1');
    await second.raw.closed;
    expect(second.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x98 });
  });

  test('who has said goodbye hears nothing more', async () => {
    const client = await comeIn();
    client.send({ cmd: 'disconnect', reasonCode: 4 });
    await client.raw.closed;
    expect(client.packets.map(({ cmd }) => cmd)).toEqual(['connack']);
  });
});

describe('subscriptions', () => {
  const own = `${shadowPrefix('gw1')}/update/delta`;

  test('each filter has its answer, when it comes and when it goes', async () => {
    const client = await comeIn();
    const filters = [own, 'weir/1/gw2/command', own, `$share/g/${own}`];
    client.send({
      cmd: 'subscribe',
      messageId: 5,
      subscriptions: filters.map((topic) => ({ topic, qos: 2 as const })),
    });
    expect(await client.got('suback')).toMatchObject({ messageId: 5, granted: [1, 0x87, 1, 0x9e] });
    client.send({ cmd: 'unsubscribe', messageId: 6, unsubscriptions: [own, 'never'] });
    expect(await client.got('unsuback')).toMatchObject({ messageId: 6, granted: [0, 0x11] });
  });
});

describe('messages', () => {
  test('an alias stands for its topic', async () => {
    const client = await comeIn();
    const before = running.front.counts().kept;
    const properties = { topicAlias: 8 };
    const topic = uplinkTopic('gw1', 'live');
    client.send(publish({ topic, payload: batch(10), messageId: 1, properties }));
    client.send(publish({ payload: batch(12), messageId: 2, properties }));
    expect((await client.got('puback', 2)).messageId).toBe(2);
    expect(running.front.counts().kept).toBe(before + 2);
  });

  test('what stands beside a message comes with it, to who asked for it once and twice', async () => {
    const client = await comeIn();
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: commandTopic('gw1'), qos: 1 }] });
    await client.got('suback');
    const properties = {
      ...{ contentType: 'text/plain', responseTopic: 'a/b', correlationData: Buffer.from('42') },
      ...{ userProperties: { color: ['red', 'blue'] }, payloadFormatIndicator: true, messageExpiryInterval: 60 },
    };
    await running.front.publish(commandTopic('gw1'), 'x', 1, properties);
    expect((await client.got('publish')).properties).toEqual(properties);
    await running.front.connections.sendDirect('gw1', 'any/topic', Buffer.from('y'), { properties });
    expect((await client.got('publish', 2)).properties).toEqual(properties);
  });

  test('no more are on their way than the client takes at a time, and all come in order [MQTT-3.3.4-9]', async () => {
    const client = await comeIn({ properties: { receiveMaximum: 2 } });
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: commandTopic('gw1'), qos: 1 }] });
    await client.got('suback');
    for (const payload of ['a', 'b', 'c', 'd', 'e']) await running.front.publish(commandTopic('gw1'), payload, 1);
    // QoS 0 is not counted, and comes past those that wait.
    await running.front.publish(commandTopic('gw1'), 'last', 0);
    await client.got('publish', 3);
    const heard = () => client.packets.flatMap((each) => (each.cmd === 'publish' ? [`${each.payload}`] : []));
    expect(heard()).toEqual(['a', 'b', 'last']);
    for (let n = 1; n <= 5; n++) {
      const [packet] = client.packets.filter((each) => each.cmd === 'publish' && each.qos === 1).slice(n - 1);
      client.send({ cmd: 'puback', messageId: packet!.messageId!, reasonCode: n === 2 ? 0x80 : 0 });
      await expect.poll(heard).toHaveLength(Math.min(6, 3 + n));
    }
    expect(heard()).toEqual(['a', 'b', 'last', 'c', 'd', 'e']);
  });

  test('who never acknowledges is cut off before it fills the memory, and is told why', async () => {
    const client = await comeIn({ properties: { receiveMaximum: 1 } });
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: commandTopic('gw1'), qos: 1 }] });
    await client.got('suback');
    const before = running.front.counts().slow_consumer;
    for (let n = 0; n < 30 && running.front.counts().slow_consumer === before; n++) {
      await running.front.publish(commandTopic('gw1'), 'x'.repeat(100_000), 1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.raw.closed;
    expect(running.front.counts().slow_consumer).toBe(before + 1);
    expect(client.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x97 });
  });

  test('what is larger than the client takes is not sent [MQTT-3.1.2-24]', async () => {
    const client = await comeIn({ properties: { maximumPacketSize: 100 } });
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: commandTopic('gw1'), qos: 1 }] });
    await client.got('suback');
    await running.front.publish(commandTopic('gw1'), 'x'.repeat(200), 1);
    await running.front.publish(commandTopic('gw1'), 'short', 1);
    expect(`${(await client.got('publish')).payload}`).toBe('short');
  });
});

describe('what is retained', () => {
  const topic = commandTopic('gw1');

  /** Subscribes so often with these retain handlings. @returns whether it hears what is retained after the last */
  function hears(...handlings: number[]): boolean {
    const mqtt5 = new Mqtt5({ packetBytesMax: 1_000, keepAliveS: () => 60 });
    for (const [at, rh] of handlings.entries()) {
      mqtt5.read(generate({ cmd: 'subscribe', messageId: at + 1, subscriptions: [{ topic, qos: 1, rh }] }, V5));
      mqtt5.write(generate({ cmd: 'suback', messageId: at + 1, granted: [1] }));
    }
    const message = { cmd: 'publish', topic, payload: 'x', qos: 0, dup: false } as const;
    // What is not retained is always heard.
    expect(mqtt5.deliver({ ...message, retain: false })).toBeDefined();
    return mqtt5.deliver({ ...message, retain: true }) !== undefined;
  }

  test.each<[string, number[], boolean]>([
    ['heard', [0], true],
    ['heard again', [0, 0], true],
    ['heard by a new subscription', [1], true],
    ['not heard by one that is there already', [0, 1], false],
    ['not heard by who does not want it', [2], false],
    ['heard when it is wanted at last', [2, 0], true],
  ])('is %s [MQTT-3.8.3]: %j', (_what, handlings, expected) => {
    expect(hears(...handlings)).toBe(expected);
  });
});

test('any bytes behind a CONNECT of version 5 end no more than their own connection', async () => {
  const neighbour = await running.connect('gw2', { protocolVersion: 5 });
  const packets: Packet[] = [
    publish({ topic: uplinkTopic('gw1', 'live'), payload: batch(1), properties: { topicAlias: 1, contentType: 'x' } }),
    { cmd: 'subscribe', messageId: 2, subscriptions: [{ topic: commandTopic('gw1'), qos: 1, rh: 2, nl: true }] },
    { cmd: 'unsubscribe', messageId: 3, unsubscriptions: [commandTopic('gw1')] },
    { cmd: 'puback', messageId: 7, reasonCode: 0x83, properties: { reasonString: 'why' } },
    { cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 5 } },
    { ...CONNECT, properties: { userProperties: { a: ['b', 'c'] }, receiveMaximum: 3 } },
  ];
  const connect = generate({ ...CONNECT, clientId: 'gw1' }, V5);
  for (const packet of packets) {
    const bytes = generate(packet, V5);
    for (let at = 0; at < Math.min(bytes.length, 30); at++) {
      const odd = Buffer.from(bytes);
      odd[at] = (odd[at]! * 7 + 129) & 0xff;
      const client = running.raw('gw1');
      client.send(packet.cmd === 'connect' ? odd : Buffer.concat([connect, odd]));
      client.socket.end();
      await client.closed;
    }
  }
  await neighbour.publishAsync(uplinkTopic('gw2', 'live'), batch(1), { qos: 1 });
  await expect.poll(() => running.front.connected()).toBe(1);
}, 60_000);
