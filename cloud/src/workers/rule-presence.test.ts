/** Rules in the hub while devices come and go: those that begin while nobody is there, and those over a whole group. */
import { columnsOf, encodeBatch, ruleSchema } from '@weir/protocols';
import { createFoldHost, createSandbox, type Deployed, type Sandbox } from '@weir/runtime';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { getEpisode } from '../alerts/episodes.ts';
import { type Clock, systemClock } from '../clock/clock.ts';
import type { Feed } from '../fleet/fleet.ts';
import { encodePresence } from '../log/presence-record.ts';
import { drained, Running } from './running.fixture.ts';
import { T0 } from './worker.fixture.ts';
import type { Workers } from './workers.ts';

const GROUP = 'plant/hot';
const FEED = {
  gatherer: GROUP,
  handlers: ['readings', 'online', 'offline'],
  inputs: [{ sensor: '*', metric: 'temperature' }],
} satisfies Feed;

/** How often the workers have looked at it: they tick all the time. */
let ticks = 0;
const clock: Clock = {
  ...systemClock,
  now: () => {
    ticks++;
    return T0 + second * 1_000;
  },
};

let sandbox: Sandbox;
let running: Running;
let workers: Workers;
let second = 0;
/** Of the device: what runs for it, and for whom it gathers. */
let deployed: Deployed[] = [];
let feeds: Feed[] = [];
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());
afterEach(() => running.stop());

function ruleOf(rule: object, name = 'hot'): Deployed {
  const given = { name, metric: 'temperature', ...rule };
  const bundle = { weir: 1, kind: 'rule', rule: ruleSchema.parse(given) } as const;
  return { name, hash: 'a'.repeat(64), config: {}, bundle };
}

async function start(group?: object): Promise<void> {
  [second, deployed, feeds] = [0, [], group === undefined ? [] : [FEED]];
  running = new Running({ makeHost: (device) => createFoldHost({ device, sandbox }) });
  running.wanted = (device) => (device === GROUP ? [ruleOf({ by: 'group', ...group })] : deployed);
  running.feeds = (device) => (device === GROUP ? [] : feeds);
  workers = await running.start({ clock });
}

let written = 0;
async function reads(device: string, value: number, sensor = 'o1'): Promise<void> {
  const columns = columnsOf([{ sensor, metric: 'temperature', value, ts: T0 + second * 1_000 }]);
  const payload = encodeBatch({ kind: 'readings', epoch: 'e1', seq: written++, count: 1, columns });
  await running.log.append([{ device, lane: 'live', payload, receivedAt: T0 + second * 1_000 }]);
  await drained(workers);
}

async function comes(device: string, online: boolean, session: number): Promise<void> {
  const payload = encodePresence({ online, session: { front: 'a', number: session } });
  await running.log.append([{ device, lane: 'presence', payload, receivedAt: T0 + second * 1_000 }]);
  await drained(workers);
}

async function apply(...rules: Deployed[]): Promise<void> {
  deployed = rules;
  running.revision++;
  workers.nudge('gw1');
}

async function told(): Promise<string[]> {
  const { names } = await running.store.partitions('episode', { limit: 100 });
  const found = await Promise.all(names.map((name) => getEpisode(running.store, name)));
  return found.flatMap((each) => each?.transitions.map(({ state, reason }) => `${state} ${reason}`) ?? []);
}

/** Nothing more comes of what was done: the clock of the workers has ticked some times since. */
async function settled(): Promise<void> {
  const before = ticks;
  await expect.poll(() => ticks - before, { interval: 5, timeout: 30_000 }).toBeGreaterThan(20);
}

test('semantics 3: a rule first deployed while its device is away waits for it before it takes anything for silent', async () => {
  await start();
  await comes('gw1', true, 1);
  await comes('gw1', false, 1);
  second = 100;
  await apply(ruleOf({ sensor: 'o1', silentFor: '5m' }));
  await settled();
  second = 10_000;
  await settled();
  expect(await told()).toEqual([]);
  await comes('gw1', true, 2);
  second = 10_290;
  await settled();
  expect(await told()).toEqual([]);
  second = 10_301;
  await expect.poll(told).toEqual(['firing silent']);
});

test('a device of which nobody knows whether it is there is waited for, until something comes from it', async () => {
  await start();
  await apply(ruleOf({ sensor: 'o1', silentFor: '5m' }));
  second = 1_000;
  await settled();
  expect(await told()).toEqual([]);
  await reads('gw1', 1, 'o2');
  second = 1_301;
  await expect.poll(told).toEqual(['firing silent']);
});

test('over a group, what a device says counts while it is there, and again with its next reading', async () => {
  await start({ above: 80, inAtLeast: 2 });
  await comes('gw1', true, 1);
  await comes('gw2', true, 1);
  await reads('gw1', 90);
  await comes('gw1', false, 1);
  second = 10;
  await reads('gw2', 20);
  second = 100;
  await settled();
  await reads('gw2', 90);
  await settled();
  expect(await told()).toEqual([]);
  await comes('gw1', true, 2);
  await reads('gw1', 95);
  await expect.poll(told).toEqual(['firing threshold']);
});

test('over a group, a device that is taken out of it counts no more, though nobody has heard of it since a restart', async () => {
  await start({ above: 80, inAtLeast: 2 });
  await comes('gw1', true, 1);
  await comes('gw2', true, 1);
  await reads('gw1', 90);
  await reads('gw2', 90);
  await expect.poll(told).toEqual(['firing threshold']);
  await workers.stop();
  workers = await running.start({ clock });
  feeds = [];
  running.revision++;
  workers.nudge('gw2');
  await expect.poll(told).toEqual(['firing threshold', 'resolved cleared']);
});

test('over a group, a rule that begins knows that a device is there that says nothing', async () => {
  await start({ sensor: 'o1', silentFor: '5m' });
  feeds = [];
  workers.nudge(GROUP);
  await comes('gw1', true, 1);
  second = 1_000;
  await settled();
  expect(await told()).toEqual([]);
  feeds = [FEED];
  running.revision++;
  workers.nudge('gw1');
  await settled();
  second = 1_301;
  await expect.poll(told).toEqual(['firing silent']);
});
