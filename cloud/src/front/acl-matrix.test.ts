/** Who may do what to which topic: by table against the front as it runs, and by properties against the rules themselves. */
import { commandTopic, LANES, paceTopic, shadowPrefix, topicMatches, uplinkTopic } from '@weir/protocols';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DeviceFixture, signedDevice } from '../identity/device.fixture.ts';
import { mayPublish, maySubscribe } from './acl.ts';
import { batch } from './front.fixture.ts';
import { LIFECYCLE_KINDS, lifecycleTopic } from './lifecycle.ts';
import { makeIdentity, type RawClient, RunningFront } from './running-front.fixture.ts';

const NAMES = ['gw1', 'gw10', 'gw1:a', 'gw'];
/** All of it comes from one address, and is refused again and again. */
const UNHURRIED = { addressConnectsBurst: 100_000, deviceConnectsBurst: 100_000 };

const identity = await makeIdentity();
const foreign = await makeIdentity();
let running: RunningFront;
let replaced: DeviceFixture;
let stranger: DeviceFixture;

beforeAll(async () => {
  replaced = await signedDevice(identity, 'gw1');
  stranger = await signedDevice(foreign, 'gw1');
  running = await RunningFront.start(identity, NAMES, UNHURRIED);
});
afterAll(async () => {
  await running.stop();
  await Promise.all([identity.remove(), foreign.remove()]);
});

/** All that the hub tells, or takes, of one device. */
function topicsOf(device: string): string[] {
  const shadow = shadowPrefix(device);
  return [
    ...LANES.map((lane) => uplinkTopic(device, lane)),
    commandTopic(device),
    paceTopic(device),
    ...LIFECYCLE_KINDS.map((kind) => lifecycleTopic(kind, device)),
    ...[
      'get',
      'get/accepted',
      'update',
      'update/delta',
      'update/documents',
      'update/rejected',
      'delete/accepted',
    ].flatMap((end) => [`${shadow}/${end}`, `${shadow}/name/weir/${end}`, `${shadow}/name/other/${end}`]),
  ];
}

const NOBODYS = [
  '$SYS/broker/clients',
  'plant/oven1/temperature',
  'weir/1',
  '$aws/events/job/1/completed',
  '/',
  'a//b',
];

async function comeIn(name: string): Promise<RawClient> {
  const client = running.raw(name);
  client.connect(name);
  await client.got('connack');
  return client;
}

describe('over TLS', () => {
  const cases: [string, () => RawClient, string, number | undefined][] = [
    ['a device as itself', () => running.raw('gw1'), 'gw1', 0],
    ['a device as another one', () => running.raw('gw1'), 'gw10', 2],
    ['a device as what it is the beginning of', () => running.raw('gw'), 'gw1', 2],
    ['a device without a name', () => running.raw('gw1'), '', 2],
    ['a device as a wildcard', () => running.raw('gw1'), 'gw+', 2],
    ['a device as all', () => running.raw('gw1'), '#', 2],
    ['a device as a topic', () => running.raw('gw1'), 'gw1/command', 2],
    ['a certificate that was replaced', () => running.raw('gw1', replaced), 'gw1', 5],
    ['a certificate of another hub', () => running.raw('gw1', stranger), 'gw1', undefined],
    ['no certificate', () => running.raw(), 'gw1', undefined],
  ];
  test.each(cases)('%s connecting', async (_who, client, clientId, returnCode) => {
    const raw = client();
    raw.connect(clientId);
    if (returnCode === undefined) await expect(raw.got('connack')).rejects.toThrow('ended');
    else expect((await raw.got('connack')).returnCode).toBe(returnCode);
    if (returnCode !== 0) await raw.closed;
  });

  test('of all topics of two devices, and of nobody, each device publishes to its own uplink and shadows alone', async () => {
    const leaks: string[] = [];
    const two = ['gw1', 'gw10'];
    for (const who of two) {
      let client = await comeIn(who);
      for (const topic of [...two.flatMap(topicsOf), ...NOBODYS]) {
        if (client.isClosed) client = await comeIn(who);
        client.packets.length = 0;
        const packet = { cmd: 'publish', topic, payload: batch(0), qos: 1, messageId: 7, dup: false, retain: false };
        client.sendPacket(packet as never);
        const isTaken = await client.got('puback').then(
          () => true,
          () => false,
        );
        const shadow = new RegExp(`^\\$aws/things/${who}/shadow(/name/[a-z]+)?/(get|update|delete)$`);
        const isOwn = LANES.some((lane) => topic === uplinkTopic(who, lane)) || shadow.test(topic);
        if (isTaken !== isOwn) leaks.push(`${who} -> ${topic}: ${isTaken ? 'taken' : 'refused'}`);
      }
      client.socket.destroy();
    }
    expect(leaks).toEqual([]);
    const { partitions } = running.log;
    const all = await Promise.all(
      Array.from({ length: partitions }, (_, n) => running.log.read(n, undefined, { limit: 10_000, waitMs: 0 })),
    );
    const lanes = all.flat().filter(({ lane }) => lane !== 'presence');
    expect(lanes.map(({ device, lane }) => `${device} ${lane}`).sort()).toEqual(
      two.flatMap((name) => LANES.map((lane) => `${name} ${lane}`)).sort(),
    );
  }, 60_000);

  test.each([
    ['QoS 2', { qos: 2 }],
    ['retained', { retain: true }],
  ])('%s is cut off, also on its own topic', async (_what, more) => {
    const client = await comeIn('gw1');
    const packet = { cmd: 'publish', topic: uplinkTopic('gw1', 'live'), payload: batch(0), qos: 1, messageId: 7 };
    client.sendPacket({ ...packet, dup: false, retain: false, ...more } as never);
    await client.closed;
    expect(client.packets.map(({ cmd }) => cmd)).toEqual(['connack']);
  });

  test('a last will is not taken, not even for its own topic', async () => {
    const client = running.raw('gw1');
    const will = { topic: uplinkTopic('gw1', 'live'), payload: batch(0), qos: 0, retain: false };
    client.connect('gw1', { will });
    await client.closed;
    expect(client.packets).toEqual([]);
  });

  test('whatever it asks for, a device hears its own and nothing of others', async () => {
    const filters = [
      ...NAMES.flatMap(topicsOf),
      ...NAMES.flatMap((name) => [`${shadowPrefix(name)}/#`, `${shadowPrefix(name)}/+/+/update/#`, `weir/1/${name}/#`]),
      ...['#', '+/#', '$SYS/#', '$aws/#', '$aws/things/+/shadow/#', 'weir/1/+/command'],
      ...['$share/g/weir/1/gw1/command', '$share/g/#', '$queue/#', '$aws/events/#', '+/+/gw1/command', '$aws/rules/#'],
      ...NOBODYS,
    ];
    const client = await comeIn('gw1');
    filters.forEach((topic, at) => {
      client.sendPacket({ cmd: 'subscribe', messageId: at + 1, subscriptions: [{ topic, qos: 1 }] });
    });
    await expect
      .poll(() => client.packets.filter(({ cmd }) => cmd === 'suback').length, { timeout: 20_000 })
      .toBe(filters.length);
    for (const topic of [...NAMES.flatMap(topicsOf), ...NOBODYS]) await running.front.publish(topic, 'told');
    const heard = () => client.packets.flatMap((each) => (each.cmd === 'publish' ? [each.topic] : []));
    const own = topicsOf('gw1').filter((topic) => !topic.startsWith('weir/1/gw1/') || /(command|pace)$/.test(topic));
    await expect.poll(() => new Set(heard()).size).toBe(own.length);
    await running.front.connections.sendDirect('gw1', 'last', Buffer.from('last'));
    await expect.poll(heard).toContain('last');
    // Its own connection is told of as it comes in: everything else was told once.
    expect(
      heard()
        .filter((topic) => topic !== 'last')
        .sort(),
    ).toEqual(expect.arrayContaining(own.sort()));
    expect(heard().filter((topic) => topic !== 'last' && !own.includes(topic))).toEqual([]);
  }, 30_000);
});

describe('by the rules, whatever the names', () => {
  const piece = fc.constantFrom(
    'gw',
    'gw1',
    'gw10',
    'weir',
    '1',
    '$aws',
    'things',
    'shadow',
    'name',
    'rules',
    'events',
  );
  const more = fc.constantFrom(
    'get',
    'update',
    'delta',
    'accepted',
    'command',
    'pace',
    'live',
    'presence',
    'connected',
    '',
  );
  const odd = fc.constantFrom('+', '#', '$share', '$SYS', 'gw+', 'gw#', '..', '\u0000', '%2F', 'GW1', 'gw1 ');
  const free = fc.array(fc.oneof(piece, more, odd), { maxLength: 9 }).map((levels) => levels.join('/'));
  const near = fc
    .tuple(fc.constantFrom(...NAMES.flatMap(topicsOf)), fc.nat(12), fc.oneof(odd, piece, more))
    .map(([topic, at, level]) =>
      topic
        .split('/')
        .with(Math.min(at, topic.split('/').length - 1), level)
        .join('/'),
    );
  const ingest = fc.constantFrom(...NAMES.flatMap(topicsOf)).map((topic) => `$aws/rules/weir/${topic}`);
  const anything = fc.oneof(free, near, ingest, fc.constantFrom(...NAMES.flatMap(topicsOf)), fc.string());
  const who = fc.constantFrom(...NAMES);

  test('what a device may publish to names it, and no other, exactly where the device stands', () => {
    fc.assert(
      fc.property(who, anything, fc.constantFrom(0, 1, 2), fc.boolean(), (device, topic, qos, retain) => {
        const { kind } = mayPublish(device, { topic, qos, retain });
        const own = new RegExp(
          `^((\\$aws/rules/weir/)?weir/1/${device}/(${LANES.join('|')})|\\$aws/things/${device}/shadow(/name/[$\\w:-]{1,64})?/(get|update|delete))$`,
        );
        expect(kind !== 'refused').toBe(qos < 2 && !retain && own.test(topic));
      }),
      { numRuns: 5_000 },
    );
  });

  test('no filter that a device may have matches anything that is told of another one, or of nobody', () => {
    const told = fc.constantFrom(...NAMES.flatMap((name) => topicsOf(name).map((topic) => ({ name, topic }))));
    fc.assert(
      fc.property(who, anything, told, (device, filter, { name, topic }) => {
        if (!maySubscribe(device, filter)) return;
        if (name !== device) expect(topicMatches(filter, topic), `${device} hears ${topic} by ${filter}`).toBe(false);
        for (const nobodys of NOBODYS) expect(topicMatches(filter, nobodys)).toBe(false);
      }),
      { numRuns: 20_000 },
    );
  });
});
