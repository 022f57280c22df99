/** Rules in the hub, by the log and its workers: an outage of the line, with what the device had kept coming after it. */
import { type AlertTransition, columnsOf, encodeBatch, type Lane, type Reading, ruleSchema } from '@weir/protocols';
import { createFoldHost, createSandbox, type Deployed, type Sandbox } from '@weir/runtime';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Episode, getEpisode } from '../alerts/episodes.ts';
import { type Clock, systemClock } from '../clock/clock.ts';
import type { Feed } from '../fleet/fleet.ts';
import { encodePresence } from '../log/presence-record.ts';
import { RuleCosts } from './rule-costs.ts';
import { drained, Running } from './running.fixture.ts';
import { failingStore, T0 } from './worker.fixture.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

let running: Running;
afterEach(() => running.stop());

function ruleOf(rule: object): Deployed {
  const given = { name: 'hot', metric: 'temperature', above: 80, clear: 75, ...rule };
  return {
    name: 'hot',
    hash: 'a'.repeat(64),
    config: {},
    bundle: { weir: 1, kind: 'rule', rule: ruleSchema.parse(given) },
  };
}

/** As a device brings them to the log. */
class Device {
  readonly #name: string;
  readonly #next = new Map<Lane, number>();

  constructor(name = 'gw1') {
    this.#name = name;
  }

  /** `[second, value]`; they arrive at `at`. */
  readings(lane: 'live' | 'backfill', at: number, ...samples: [number, number][]) {
    const readings = samples.map(([second, value]): Reading => {
      return { sensor: 'o1', metric: 'temperature', value, ts: T0 + second * 1_000 };
    });
    const seq = this.#next.get(lane) ?? 0;
    this.#next.set(lane, seq + readings.length);
    const columns = columnsOf(readings);
    const payload = encodeBatch({ kind: 'readings', epoch: 'e1', seq, count: readings.length, columns });
    return { device: this.#name, lane, payload, receivedAt: T0 + at * 1_000 };
  }

  presence(online: boolean, at: number, number: number) {
    const payload = encodePresence({ online, session: { front: 'a', number } });
    return { device: this.#name, lane: 'presence' as const, payload, receivedAt: T0 + at * 1_000 };
  }
}

/** Time stands, but for what the test says: ticks come as often as ever. */
function clockAt(at: () => number): Clock {
  return { ...systemClock, now: () => T0 + at() * 1_000 };
}

function start(rule: object): void {
  running = new Running({ makeHost: (device) => createFoldHost({ device, sandbox }) });
  running.wanted = () => [ruleOf(rule)];
}

async function episodes(): Promise<Episode[]> {
  const { names } = await running.store.partitions('episode', { limit: 100 });
  const found = await Promise.all(names.map((name) => getEpisode(running.store, name)));
  return found.flatMap((each) => each ?? []).sort((a, b) => a.startedAt - b.startedAt);
}

const told = ({ transitions }: Episode) =>
  transitions.map(({ state, reason, ts, historical }: AlertTransition) =>
    [state, reason, `@${(ts - T0) / 1_000}`, historical ? 'historical' : ''].join(' ').trim(),
  );

/** An outage from 30 s to 300 s, in which the oven was hot twice: once it is over before, once it lasts. */
function outage(device: Device) {
  return [
    device.presence(true, 0, 1),
    device.readings('live', 0, [0, 20]),
    device.readings('live', 10, [10, 20]),
    device.readings('live', 20, [20, 20]),
    device.presence(false, 60, 1),
    device.presence(true, 300, 2),
    device.readings('live', 300, [300, 90]),
    device.readings('backfill', 301, [30, 20], [40, 85], [50, 95], [60, 70]),
    device.readings('live', 310, [310, 85]),
    device.readings('backfill', 311, [70, 20], [80, 20], [250, 82], [260, 99], [270, 88], [280, 85], [290, 85]),
    device.readings('live', 320, [320, 60]),
  ];
}

test('semantics 4, an outage: what is over by then is recorded with its times, what lasts gets its true begin', async () => {
  start({});
  await running.log.append(outage(new Device()));
  await drained(await running.start({ clock: clockAt(() => 330) }));
  const [past, lasting, ...more] = await episodes();
  expect(more).toEqual([]);
  expect(told(past!)).toEqual(['firing threshold @40 historical', 'resolved cleared @60 historical']);
  expect(told(lasting!)).toEqual(['firing threshold @300', 'firing corrected @310', 'resolved cleared @320']);
  expect(lasting).toMatchObject({ state: 'resolved', startedAt: T0 + 250_000, peak: 99 });
  expect(past).toMatchObject({ historical: true, peak: 95, device: 'gw1', origin: 'cloud' });
});

test('whatever fails whenever, and wherever the log is cut: the same episodes, each transition once', async () => {
  const expected = ['firing threshold @40 historical', 'resolved cleared @60 historical'];
  const failures = fc.array(fc.constantFrom('ok', 'before', 'after', 'conflict'), { maxLength: 20 });
  const cuts = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(failures, cuts, async (plan, parts) => {
      start({});
      const store = failingStore(running.store, [...plan]);
      const workers = await running.start({ store, clock: clockAt(() => 330) });
      const left = outage(new Device());
      for (const part of [...parts, left.length]) {
        await running.log.append(left.splice(0, part));
        await drained(workers);
      }
      await workers.stop();
      const [past, lasting, ...more] = await episodes();
      expect(more).toEqual([]);
      expect(told(past!)).toEqual(expected);
      expect(told(lasting!)).toEqual(['firing threshold @300', 'firing corrected @310', 'resolved cleared @320']);
    }),
    { numRuns: 25 },
  );
});

test('semantics 3: while its device is away what fires is kept as no-data, and nothing else falls due', async () => {
  start({ for: '30s' });
  const device = new Device();
  let now = 60;
  const workers = await running.start({ clock: clockAt(() => now) });
  const until = async (second: number, ...records: Parameters<typeof running.log.append>[0]) => {
    now = second;
    await running.log.append(records);
    await drained(workers);
  };
  await until(60, device.presence(true, 0, 1), device.readings('live', 0, [0, 90]));
  await expect.poll(async () => (await episodes()).map(told)).toEqual([['firing held @30']]);
  await until(70, device.presence(false, 70, 1));
  now = 3_600;
  await expect.poll(async () => (await episodes()).map(told)).toEqual([['firing held @30', 'no-data no-data @130']]);
  await until(7_200, device.presence(true, 7_200, 2));
  await until(7_210, device.readings('live', 7_210, [7_210, 91]));
  await until(7_220, device.readings('live', 7_220, [7_220, 60]));
  expect((await episodes()).map(told)).toEqual([
    ['firing held @30', 'no-data no-data @130', 'firing returned @7210', 'resolved cleared @7220'],
  ]);
});

test('semantics 5: a hub that was restarted goes on with what was pending, though its device only comes back', async () => {
  start({ for: '5m' });
  const device = new Device();
  await running.log.append([device.presence(true, 0, 1), device.readings('live', 0, [0, 90])]);
  const first = await running.start({ clock: clockAt(() => 10) });
  await drained(first);
  await first.stop();
  let now = 60;
  await running.log.append([device.presence(true, 60, 2)]);
  const second = await running.start({ clock: clockAt(() => now) });
  await drained(second);
  expect(await episodes()).toEqual([]);
  now = 301;
  await expect.poll(async () => (await episodes()).map(told)).toEqual([['firing held @300']]);
});

test('a thousand series of one device: what a step changed is written in one write, and is found again', async () => {
  start({});
  const workers = await running.start({ clock: clockAt(() => 100) });
  const step = async (seq: number, second: number, value: (at: number) => number) => {
    const readings = Array.from({ length: 1_000 }, (_, at) => {
      return { sensor: `s${at}`, metric: 'temperature', value: value(at), ts: T0 + second * 1_000 };
    });
    const batch = { kind: 'readings', epoch: 'e1', seq, count: 1_000, columns: columnsOf(readings) } as const;
    await running.log.append([
      { device: 'gw1', lane: 'live', payload: encodeBatch(batch), receivedAt: T0 + second * 1_000 },
    ]);
  };
  await step(0, 0, (at) => (at < 3 ? 90 : 20));
  await drained(workers);
  await workers.stop();
  await step(1_000, 10, () => 20);
  await drained(await running.start({ clock: clockAt(() => 100) }));
  expect((await episodes()).map(({ state, seen }) => [state, seen])).toEqual(Array(3).fill(['resolved', [[1, 2]]]));
  expect(running.refused).toEqual([]);
});

test('a rule over a group judges what all of its devices say, and has one episode', async () => {
  const gatherer = 'plant/hot';
  const ruleCosts = new RuleCosts();
  running = new Running({ makeHost: (device) => createFoldHost({ device, sandbox }), ruleCosts });
  running.wanted = (device) => (device === gatherer ? [ruleOf({ by: 'group', across: 'mean' })] : []);
  const feed = { gatherer, handlers: ['reading'], inputs: [{ sensor: '*', metric: 'temperature' }] } satisfies Feed;
  running.feeds = (device) => (device === gatherer ? [] : [feed]);
  const workers = await running.start({ clock: clockAt(() => 100) });
  const devices = new Map(['gw1', 'gw2'].map((name) => [name, new Device(name)]));
  const means = async (second: number, ...values: number[]) => {
    for (const [at, device] of [...devices.values()].entries()) {
      await running.log.append([device.readings('live', second, [second, values[at]!])]);
      await drained(workers);
    }
  };
  await means(0, 70, 85);
  await means(10, 90, 95);
  await means(20, 40, 50);
  await expect.poll(async () => (await episodes()).map(({ state }) => state)).toEqual(['resolved']);
  const [episode] = await episodes();
  expect(episode).toMatchObject({ device: gatherer, origin: 'cloud', peak: 92.5 });
  const devicesOf = (episode!.transitions[0]!.causes ?? []).map(({ device }) => device);
  expect(devicesOf.sort()).toEqual(['gw1', 'gw2']);
  expect(ruleCosts.all().get('hot')).toMatchObject({ evaluations: 6, subjects: 1, active: 0 });
});
