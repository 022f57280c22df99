import { randomBytes } from 'node:crypto';
import { type Batch, columnsOf, encodeBatch } from '@weir/protocols';
import { type Deployed, emptyStepOutput, parseBundle } from '@weir/runtime';
import fc from 'fast-check';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Ends } from '../alerts/ends.ts';
import { createHubEvents, type HubEvent } from '../api/events.ts';
import { type Clock, systemClock } from '../clock/clock.ts';
import { commandsOf } from '../commands/command.ts';
import { createCommands } from '../commands/commands.ts';
import { createMemoryDownlink } from '../downlink/memory.ts';
import type { Log } from '../log/log.ts';
import { createMemoryLog } from '../log/memory.ts';
import { countHistory, readHistory } from '../store/history.ts';
import { readLatest } from '../store/latest.ts';
import { createMemoryStore } from '../store/memory.ts';
import { type Store, StoreError } from '../store/store.ts';
import { UsageCounts } from '../usage/counts.ts';
import {
  alert,
  alertRecord,
  anyDeployed,
  countingHost,
  failingStore,
  readings,
  record,
  requestService,
  T0,
} from './worker.fixture.ts';
import type { WorkerPorts } from './worker.ts';
import { createWorkers, type Workers } from './workers.ts';

const PARTITIONS = 2;
const FAST = { tickMs: 5, retryMs: 1 };

const DEPLOYED = anyDeployed('count');

let log: Log;
let store: Store;
let events: HubEvent[];
let refused: { device: string; reason: string }[];
/** So many times what is refused cannot be kept. */
let refusalsFailing: number;
let deployed: { revision: number; deployed: Deployed[] };
let downlink: ReturnType<typeof createMemoryDownlink>;
const started: Workers[] = [];

beforeEach(() => {
  log = createMemoryLog({ partitions: PARTITIONS });
  store = createMemoryStore();
  events = [];
  refused = [];
  refusalsFailing = 0;
  deployed = { revision: 1, deployed: [] };
  downlink = createMemoryDownlink();
});
afterEach(async () => {
  for (const workers of started.splice(0)) await workers.stop();
});

const random = (bytes: number) => randomBytes(bytes);

async function start(more: Partial<WorkerPorts> = {}): Promise<Workers> {
  const hub = createHubEvents();
  hub.on((event) => events.push(event));
  const fleet = {
    cloudDeployments: async () => deployed,
    cloudStatus: async () => {},
    cloudBundle: async () => parseBundle(BUNDLE),
    refused: async (device: string, reason: string) => {
      if (refusalsFailing-- > 0) throw new Error('the store is full');
      refused.push({ device, reason });
    },
  };
  const workers = createWorkers(
    {
      log,
      store,
      fleet,
      downlink,
      events: hub,
      wakeNotifier: () => {},
      reports: {},
      commands: createCommands({
        ...{ store: more.store ?? store, downlink: createMemoryDownlink(), clock: systemClock, random },
        fleet: { device: async () => undefined },
        logger: pino({ level: 'silent' }),
      }),
      requests: requestService(),
      usage: { keepMs: 86_400_000, counts: new UsageCounts() },
      makeHost: (device) => countingHost(device),
      logger: pino({ level: 'silent' }),
      clock: systemClock,
      random: (bytes) => randomBytes(bytes),
      ...more,
    },
    FAST,
  );
  started.push(workers);
  await workers.start();
  return workers;
}

const BUNDLE = new TextEncoder().encode(
  JSON.stringify({ weir: 1, kind: 'rule', rule: { name: 'count', metric: 'temperature', above: 1 } }),
);

async function drained(workers: Workers): Promise<void> {
  await vi.waitFor(async () => expect(await workers.lag()).toBe(0), { timeout: 30_000, interval: 2 });
}

const ids = async (device = 'gw1') => {
  const { readings: found } = await readHistory(store, device, { limit: 100_000 });
  return found.map(({ id }) => id);
};
const transitions = () => events.flatMap((event) => (event.type === 'transition' ? [event.transition] : []));

describe('exactly once', () => {
  test('batches sent again, and cut otherwise when sent again, add only what is new', async () => {
    await log.append([record(0, 10), record(0, 10), record(5, 10), record(15, 5), record(0, 20)]);
    const workers = await start();
    await drained(workers);
    expect((await ids()).toSorted()).toEqual(Array.from({ length: 20 }, (_, n) => `gw1/live/e1/${n}`).toSorted());
    expect(workers.counts()).toMatchObject({ records: 5, readings: 20, duplicates: 35 });
    const values = (await readHistory(store, 'gw1')).readings.map(({ value, ts }) => [value, ts]);
    expect(values.toSorted()).toEqual(
      readings(0, 20)
        .map(({ value, ts }) => [value, ts])
        .toSorted(),
    );
  });

  test('lanes, epochs and devices are numbered each for themselves', async () => {
    await log.append([
      record(0, 3),
      record(0, 3, { lane: 'backfill' }),
      record(0, 3, { epoch: 'e2' }),
      record(0, 3, { device: 'gw2' }),
    ]);
    await drained(await start());
    expect(await countHistory(store, 'gw1')).toBe(9);
    expect(await countHistory(store, 'gw2')).toBe(3);
  });

  test('after a restart it goes on where it was, and still knows what it has received', async () => {
    await log.append([record(0, 10)]);
    const first = await start();
    await drained(first);
    await first.stop();
    await log.append([record(0, 10), record(10, 10)]);
    await drained(await start());
    expect(await countHistory(store, 'gw1')).toBe(20);
  });

  test('whatever fails whenever: readings, states, emitted readings and alerts are there once', async () => {
    deployed = { revision: 1, deployed: [DEPLOYED] };
    const batches = fc.array(fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 12 })), { minLength: 1, maxLength: 12 });
    const failures = fc.array(fc.constantFrom('ok', 'ok', 'before', 'after', 'conflict'), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(batches, failures, fc.nat(10), async (sent, plan, restartAfter) => {
        log = createMemoryLog({ partitions: PARTITIONS });
        store = createMemoryStore();
        const failing = failingStore(store, [...plan]);
        const items = new Set<number>();
        let workers = await start({ store: failing });
        for (const [at, [seq, count]] of sent.entries()) {
          if (at === restartAfter) {
            await workers.stop();
            workers = await start({ store: failing });
          }
          await log.append([record(seq, count)]);
          for (let n = seq; n < seq + count; n++) items.add(n);
        }
        await drained(workers);
        await workers.stop();
        const found = await ids();
        const live = found.filter((id) => id.startsWith('gw1/live'));
        const emitted = found.filter((id) => id.startsWith('gw1/cloud'));
        expect(live.toSorted()).toEqual([...items].map((n) => `gw1/live/e1/${n}`).toSorted());
        expect(emitted.length).toBe(Math.floor(items.size / 10));
        expect(new Set(emitted).size).toBe(emitted.length);
        const state = await store.get({ table: 'fold', partition: 'gw1', sort: 'state/count' });
        expect(new TextDecoder().decode(state!.bytes)).toBe(`${items.size}`);
        const episode = await store.get({ table: 'episode', partition: 'cloudgw1', sort: 'state' });
        expect(episode !== undefined).toBe(items.size >= 25);
        expect((await commandsOf(store, 'gw1')).length).toBe(items.size >= 25 ? 1 : 0);
      }),
      { numRuns: 40 },
    );
  }, 30_000);
});

describe('alerts', () => {
  test('are recorded once and told once, in order, from the edge', async () => {
    await log.append([alertRecord(0, [alert(1)]), alertRecord(0, [alert(1)]), alertRecord(1, [alert(2)])]);
    const workers = await start();
    await drained(workers);
    expect(transitions().map(({ state }) => state)).toEqual(['firing', 'resolved']);
    expect(workers.counts()).toMatchObject({ alerts: 2, duplicates: 1 });
  });

  test('more in one batch than one write takes are all recorded', async () => {
    const many = Array.from({ length: 150 }, (_, n) => alert(1, { episode: `episode${`${n}`.padStart(5, '0')}` }));
    await log.append([alertRecord(0, many)]);
    await drained(await start());
    expect(transitions().length).toBe(150);
  });

  test('beside one that is invalid or of another device are recorded, under the right numbers when sent again', async () => {
    const sent = [alert(0), alert(1), alert(2, { device: 'gw2' }), alert(2)];
    await log.append([alertRecord(0, sent.slice(0, 2)), alertRecord(0, sent), alertRecord(3, sent.slice(3))]);
    const workers = await start();
    await drained(workers);
    expect(transitions().map(({ device, seq }) => [device, seq])).toEqual([
      ['gw1', 1],
      ['gw1', 2],
    ]);
    expect(workers.counts()).toMatchObject({ alerts: 2, duplicates: 3, keptAside: 0 });
  });

  test('of a device that was removed end, also what the log still had of it: nobody watches any more', async () => {
    const open = Array.from({ length: 9 }, (_, n) => alert(1, { episode: `episode0000${n}` }));
    await log.append([alertRecord(0, open), alertRecord(9, [alert(2, { episode: 'episode00001' })])]);
    const logger = pino({ level: 'silent' });
    const commands = {
      make: () => Promise.reject(new Error('there is none')),
      get: () => Promise.reject(new Error('there is none')),
    };
    let workers: Workers | undefined;
    const nudge = (device: string) => workers?.nudge(device);
    await new Ends({ store, commands, nudge, now: () => T0 + 9_000, logger }).gone('gw1');
    workers = await start();
    workers.nudge('gw1');
    await vi.waitFor(() => expect(transitions()).toHaveLength(18), { timeout: 30_000, interval: 2 });
    const ends = transitions().filter(({ state }) => state === 'resolved');
    expect(ends.map(({ reason }) => reason).toSorted()).toEqual(['cleared', ...Array(8).fill('removed')]);
    expect(new Set(ends.map(({ episode }) => episode)).size).toBe(9);
    await vi.waitFor(async () =>
      expect((await store.query({ table: 'alert-end', partition: 'gw1' })).items).toEqual([]),
    );
  });

  test('of the edge and of the cloud in one read are both recorded', async () => {
    deployed = { revision: 1, deployed: [DEPLOYED] };
    await log.append([alertRecord(0, [alert(1)]), record(0, 30), alertRecord(1, [alert(2)]), record(30, 1)]);
    await drained(await start());
    expect(transitions().map(({ episode, seq }) => `${episode}-${seq}`)).toEqual([
      'episode00001-1',
      'cloudgw1-1',
      'episode00001-2',
    ]);
  });
});

describe('functions in the cloud', () => {
  test('keep their state across restarts; what they emit is in history and latest, what they send is carried', async () => {
    deployed = { revision: 1, deployed: [DEPLOYED] };
    await log.append([record(0, 15)]);
    const first = await start();
    await drained(first);
    await first.stop();
    await log.append([record(15, 15)]);
    await drained(await start());
    expect((await ids()).filter((id) => id.includes('/cloud/'))).toEqual([0, 1, 2].map((n) => `gw1/cloud/hub/${n}`));
    expect((await readLatest(store, 'gw1')).find(({ metric }) => metric === 'count')?.value).toBe(30);
    await vi.waitFor(() => expect(downlink.published).toEqual([{ topic: 'to/gw1', payload: 'stop', qos: 1 }]));
    await vi.waitFor(async () => expect(await store.partitions('publish')).toEqual({ names: [] }));
  });

  test('a message waits for the downlink', async () => {
    deployed = { revision: 1, deployed: [DEPLOYED] };
    downlink.down = true;
    await log.append([record(0, 30)]);
    const first = await start();
    await drained(first);
    await first.stop();
    expect(downlink.published).toEqual([]);
    downlink.down = false;
    await start();
    await vi.waitFor(() => expect(downlink.published.length).toBe(1));
  });

  test('one that is taken away ends its alert, although the device is silent and the hub was down', async () => {
    deployed = { revision: 1, deployed: [DEPLOYED] };
    await log.append([record(0, 30)]);
    const first = await start();
    await drained(first);
    await first.stop();
    deployed = { revision: 1, deployed: [] };
    await start();
    await vi.waitFor(() => expect(transitions().map(({ reason }) => reason)).toEqual(['threshold', 'removed']));
    await vi.waitFor(async () => expect(await store.partitions('fold')).toEqual({ names: [] }));
  });

  test('a deployment that changes is taken over by a device that is silent', async () => {
    deployed = { revision: 1, deployed: [DEPLOYED] };
    await log.append([record(0, 30)]);
    const workers = await start();
    await drained(workers);
    deployed = { revision: 2, deployed: [] };
    workers.nudge('gw1');
    await vi.waitFor(() => expect(transitions().at(-1)?.reason).toBe('removed'));
  });

  test.each(['io', 'conflict', 'a bug of the host'] as const)(
    '%s meanwhile: what runs for a silent device goes on',
    async (fault) => {
      await store.write([{ put: { table: 'fold', partition: 'gw1', sort: 'deployed' }, json: [] }]);
      deployed = { revision: 1, deployed: [DEPLOYED] };
      let ticks = 0;
      let fails = false;
      const makeHost = (device: string) => ({
        ...countingHost(device),
        async tick(now: number) {
          if (fails && fault === 'a bug of the host') throw new Error(fault);
          const output = emptyStepOutput();
          output.emitted = columnsOf([{ sensor: 'clock', metric: 'tick', value: ++ticks, ts: now }]);
          return output;
        },
      });
      const write: Store['write'] = async (changes) => {
        if (fails && fault !== 'a bug of the host') throw new StoreError(fault, 'not now');
        await store.write(changes);
      };
      const workers = await start({ makeHost, store: { ...failingStore(store, []), write } });
      const ticksGoOn = async () => {
        const before = ticks;
        await vi.waitFor(() => expect(ticks).toBeGreaterThan(before + 2), { timeout: 30_000, interval: 2 });
      };
      await ticksGoOn();
      fails = true;
      const { failures, conflicts } = workers.counts();
      await vi.waitFor(() =>
        expect(workers.counts().failures + workers.counts().conflicts).toBeGreaterThan(failures + conflicts),
      );
      fails = false;
      await ticksGoOn();
    },
  );

  test('a host that fails on a record does not hold up the next: its readings are kept, it is kept aside', async () => {
    deployed = { revision: 1, deployed: [DEPLOYED] };
    const bad = record(10, 1);
    const batch: Batch = {
      kind: 'readings',
      epoch: 'e1',
      seq: 10,
      count: 1,
      columns: columnsOf([{ sensor: 'x', metric: 'y', value: -1, ts: T0 }]),
    };
    await log.append([record(0, 10), { ...bad, payload: encodeBatch(batch) }, record(11, 10)]);
    await drained(await start());
    expect(refused).toEqual([{ device: 'gw1', reason: 'functions-failed' }]);
    expect((await ids()).filter((id) => id.includes('/live/')).length).toBe(21);
    expect((await readLatest(store, 'gw1')).find(({ metric }) => metric === 'count')?.value).toBe(20);
  });
});

test('a record whose commit fails again and again is told once, not with each attempt', async () => {
  let failures = 0;
  const write: Store['write'] = async (changes) => {
    if (failures++ < 7) throw new Error('a bug of the store');
    await store.write(changes);
  };
  await log.append([record(0, 5)]);
  await drained(await start({ store: { ...failingStore(store, []), write } }));
  expect(refused).toEqual([{ device: 'gw1', reason: 'functions-failed' }]);
  expect(await countHistory(store, 'gw1')).toBe(5);
});

test('a record that cannot be read at all is kept aside, if need be at the fourth attempt, and those behind it are taken', async () => {
  refusalsFailing = 3;
  await log.append([{ ...record(0, 1), payload: new Uint8Array([1, 2, 3]) }, record(0, 5)]);
  await drained(await start());
  expect(refused).toEqual([{ device: 'gw1', reason: 'unprocessable' }]);
  expect(await countHistory(store, 'gw1')).toBe(5);
});

test('of two workers on one log no reading is counted twice', async () => {
  const [a, b] = [await start(), await start()];
  for (let n = 0; n < 50; n++) await log.append([record(n * 4, 4)]);
  await vi.waitFor(async () => expect(await countHistory(store, 'gw1')).toBe(200), { timeout: 30_000 });
  expect(a.counts().readings + b.counts().readings).toBe(200);
  expect(new Set(await ids()).size).toBe(200);
});

test('a store that cannot be written for a while loses nothing and keeps nothing aside', async () => {
  const failing = failingStore(store, new Array(12).fill('before'));
  await log.append([record(0, 5)]);
  // The waits after many failures are long.
  const sleep: Clock['sleep'] = (ms, signal) => systemClock.sleep(Math.min(ms, 5), signal);
  await drained(await start({ store: failing, clock: { ...systemClock, sleep } }));
  expect(await countHistory(store, 'gw1')).toBe(5);
  expect(refused).toEqual([]);
});
