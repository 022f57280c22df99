import { randomBytes } from 'node:crypto';
import type { GapReport } from '@weir/protocols';
import fc from 'fast-check';
import pino from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { listEpisodes } from '../alerts/listing.ts';
import { createHubEvents, type HubEvent } from '../api/events.ts';
import { systemClock } from '../clock/clock.ts';
import { createMemoryDownlink } from '../downlink/memory.ts';
import { gapsReported } from '../gaps/reports.ts';
import { readTotals } from '../gaps/totals.ts';
import type { Log } from '../log/log.ts';
import { createMemoryLog } from '../log/memory.ts';
import { countHistory, readHistory } from '../store/history.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { UsageCounts } from '../usage/counts.ts';
import {
  alert,
  alertRecord,
  countingHost,
  failingStore,
  NO_COMMANDS,
  record,
  reportRecord,
  requestService,
} from './worker.fixture.ts';
import { createWorkers, type Workers } from './workers.ts';

let log: Log;
let store: Store;
let seen: HubEvent[];
const started: Workers[] = [];

beforeEach(() => {
  log = createMemoryLog({ partitions: 1 });
  store = createMemoryStore();
  seen = [];
});
afterEach(async () => {
  for (const workers of started.splice(0)) await workers.stop();
});

async function work(ownStore = store): Promise<Workers> {
  const events = createHubEvents();
  events.on((event) => seen.push(event));
  const workers = createWorkers(
    {
      log,
      store: ownStore,
      fleet: {
        cloudDeployments: async () => ({ revision: 1, deployed: [] }),
        cloudStatus: async () => {},
        cloudBundle: async () => undefined,
        refused: async () => {},
      },
      downlink: createMemoryDownlink(),
      events,
      wakeNotifier: () => {},
      reports: { gap: gapsReported },
      commands: NO_COMMANDS,
      requests: requestService(),
      usage: { keepMs: 86_400_000, counts: new UsageCounts() },
      makeHost: (device) => countingHost(device),
      logger: pino({ level: 'silent' }),
      clock: systemClock,
      random: (bytes) => randomBytes(bytes),
    },
    { retryMs: 1 },
  );
  started.push(workers);
  await workers.start();
  await vi.waitFor(async () => expect(await workers.lag()).toBe(0), { timeout: 30_000, interval: 2 });
  await workers.stop();
  return workers;
}

const gap = (seq: number, through: number, epoch: string): GapReport => {
  const count = through - seq;
  return { type: 'gap', id: `${epoch}${seq}`, ts: 1, lane: 'live', epoch, seq, through, count, reason: 'bytes' };
};
const live = async () => (await readTotals(store, 1)).find(({ lane }) => lane === 'live');

test('a device that goes on from an old copy: nothing stored twice, nothing lost, no alarm swallowed, and it is told', async () => {
  await log.append([
    record(0, 10, { epoch: 'life.a' }),
    alertRecord(0, [alert(1)], 'gw1', 'life.a'),
    // The copy is made here.
    record(10, 20, { epoch: 'life.b' }),
    alertRecord(1, [alert(2)], 'gw1', 'life.b'),
    // And here the device is put back.
    record(5, 5, { epoch: 'life.a' }),
    record(10, 15, { epoch: 'life.c' }),
    alertRecord(1, [alert(2, { ts: 99 + 1_700_000_000_000, state: 'firing', reason: 'held' })], 'gw1', 'life.c'),
    alertRecord(2, [alert(3, { ts: 100 + 1_700_000_000_000 })], 'gw1', 'life.c'),
  ]);
  const workers = await work();
  expect(await countHistory(store, 'gw1')).toBe(10 + 20 + 15);
  expect(workers.counts()).toMatchObject({ duplicates: 5, devicesRestored: 1, alerts: 4 });
  expect(seen.filter(({ type }) => type === 'restored')).toMatchObject([
    { device: 'gw1', run: 'c', seq: 10, reached: 30 },
  ]);
  const { items } = await listEpisodes(store, { limit: 10 });
  expect(items.map(({ state }) => state)).toEqual(['resolved', 'resolved']);
  expect(await live()).toEqual({ lane: 'live', dropped: 0, open: 0, ended: 0 });
});

test('what an old copy holds of a backlog that was thinned out since is not taken for what was sent under its numbers', async () => {
  const thinned = { lane: 'backfill', epoch: 'life.a', generation: 'a_1' } as const;
  await log.append([
    // Here the copy is made, of 0 to 29 as they were measured.
    record(0, 10, thinned),
    record(0, 10, thinned),
    // And here the device is put back.
    record(0, 15, { lane: 'backfill', epoch: 'life.a' }),
    record(5, 25, { lane: 'backfill', epoch: 'life.a' }),
    record(30, 5, { lane: 'backfill', epoch: 'life.b' }),
  ]);
  const workers = await work();
  expect(await countHistory(store, 'gw1')).toBe(10 + 30 + 5);
  expect(workers.counts()).toMatchObject({ duplicates: 10 + 10, devicesRestored: 1 });
  const { readings } = await readHistory(store, 'gw1', {});
  const own = readings.filter(({ id }) => id.startsWith('gw1/backfill/life.a_0/'));
  expect(own.map(({ value }) => value)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('what devices give up is summed up over the fleet, exactly, whatever fails whenever', async () => {
  const failures = fc.array(fc.constantFrom('ok', 'ok', 'before', 'after', 'conflict'), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(failures, async (plan) => {
      log = createMemoryLog({ partitions: 1 });
      store = createMemoryStore();
      for (const device of ['gw1', 'gw2']) {
        await log.append([
          record(0, 10, { device, epoch: 'l.a' }),
          record(20, 10, { device, epoch: 'l.b' }),
          reportRecord(0, [gap(10, 15, 'l.a'), gap(15, 18, 'l.b')], device, 'l.b'),
          record(40, 10, { device, epoch: 'l.b' }),
          reportRecord(2, [gap(30, 36, 'l.b')], device, 'l.b'),
        ]);
      }
      await log.append([record(0, 1, { device: 'gw2', epoch: 'm.a' })]);
      await work(failingStore(store, [...plan]));
      // Of each 2 between the runs and 4 in one of them are open, which for the one that began anew are over.
      expect(await live()).toEqual({ lane: 'live', dropped: 28, open: 6, ended: 6 });
    }),
    { numRuns: 30 },
  );
});

test('what a device tells of gaps is an event', async () => {
  await log.append([
    reportRecord(0, [gap(10, 15, 'l.a')], 'gw1', 'l.a'),
    reportRecord(1, [gap(10, 15, 'l.a')], 'gw1', 'l.a'),
  ]);
  expect((await work()).counts()).toMatchObject({ itemsGivenUp: 5 });
  const told = {
    type: 'gap',
    device: 'gw1',
    lane: 'live',
    epoch: 'l.a',
    seq: 10,
    through: 15,
    count: 5,
    reason: 'bytes',
    ts: 1,
  };
  expect(seen).toEqual([{ ...told, at: expect.any(Number) }]);
});
