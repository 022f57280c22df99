import { randomBytes } from 'node:crypto';
import type { Report } from '@weir/protocols';
import fc from 'fast-check';
import pino from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createHubEvents } from '../api/events.ts';
import { systemClock } from '../clock/clock.ts';
import { createMemoryDownlink } from '../downlink/memory.ts';
import type { Log } from '../log/log.ts';
import { createMemoryLog } from '../log/memory.ts';
import { countHistory } from '../store/history.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { UsageCounts } from '../usage/counts.ts';
import type { ReportHandlers } from './reports.ts';
import { countingHost, failingStore, NO_COMMANDS, record, reportRecord, requestService } from './worker.fixture.ts';
import { createWorkers, type Workers } from './workers.ts';

const SUM = { table: 'sum', partition: 'gw1', sort: 'sum' };

/** Adds up what is reported: a sum tells whether anything was taken twice, or not at all. */
const adding: ReportHandlers = {
  async 'command-done'(reports, { store }) {
    const before = ((await store.get(SUM))?.json as number | undefined) ?? 0;
    return { changes: [{ put: SUM, json: before + reports.reduce((sum, { ts }) => sum + ts, 0) }] };
  },
};

let log: Log;
let store: Store;
let refused: string[];
const started: Workers[] = [];

beforeEach(() => {
  log = createMemoryLog({ partitions: 1 });
  store = createMemoryStore();
  refused = [];
});
afterEach(async () => {
  for (const workers of started.splice(0)) await workers.stop();
});

async function start(reports: ReportHandlers, ownStore = store): Promise<Workers> {
  const workers = createWorkers(
    {
      log,
      store: ownStore,
      fleet: {
        cloudDeployments: async () => ({ revision: 1, deployed: [] }),
        cloudStatus: async () => {},
        cloudBundle: async () => undefined,
        refused: async (_device, reason, detail) => void refused.push(`${reason}: ${detail}`),
      },
      downlink: createMemoryDownlink(),
      events: createHubEvents(),
      wakeNotifier: () => {},
      reports,
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
  return workers;
}

const drained = (workers: Workers) =>
  vi.waitFor(async () => expect(await workers.lag()).toBe(0), { timeout: 30_000, interval: 2 });
const sum = async () => (await store.get(SUM))?.json;

const done = (n: number): Report => ({ type: 'command-done', id: `c${n}`, ts: n, outcome: 'done' });
const dones = (from: number, count: number) => Array.from({ length: count }, (_, at) => done(from + at));

test('a batch of more reports than one write takes is taken whole, and told after it is committed', async () => {
  const told: unknown[] = [];
  const telling: ReportHandlers = {
    async 'command-done'(reports, context) {
      const outcome = await adding['command-done']!(reports, context);
      return { ...outcome, committed: () => void sum().then((now) => told.push(now)) };
    },
  };
  await log.append([reportRecord(0, dones(0, 50))]);
  const workers = await start(telling);
  await drained(workers);
  expect(await sum()).toBe((50 * 49) / 2);
  await vi.waitFor(() => expect(told).toEqual([190, 780, 1225]));
  expect(workers.counts()).toMatchObject({ records: 1, reports: 50, duplicates: 0 });
});

test('whatever fails whenever, and however often and cut it is sent: each report counts once', async () => {
  const batches = fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 45 })), { minLength: 1, maxLength: 6 });
  const failures = fc.array(fc.constantFrom('ok', 'ok', 'before', 'after', 'conflict'), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(batches, failures, async (sent, plan) => {
      log = createMemoryLog({ partitions: 1 });
      store = createMemoryStore();
      const numbers = new Set<number>();
      for (const [seq, count] of sent) {
        await log.append([reportRecord(seq, dones(seq, count)), record(seq, count)]);
        for (let n = seq; n < seq + count; n++) numbers.add(n);
      }
      const workers = await start(adding, failingStore(store, [...plan]));
      await drained(workers);
      await workers.stop();
      expect(await sum()).toBe([...numbers].reduce((total, n) => total + n, 0));
      expect(await countHistory(store, 'gw1')).toBe(numbers.size);
    }),
    { numRuns: 30 },
  );
});

test('a report that nobody takes is kept aside, and readings behind it are taken', async () => {
  await log.append([reportRecord(0, dones(0, 3)), record(0, 5)]);
  await drained(await start({}));
  expect(refused).toEqual(['unknown-type: 3 reports of type command-done']);
  expect(await countHistory(store, 'gw1')).toBe(5);
});
