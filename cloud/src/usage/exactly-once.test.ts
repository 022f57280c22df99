import { randomBytes } from 'node:crypto';
import type { UsageReport } from '@weir/protocols';
import { type FoldHost, NO_USAGE, type StepOutput } from '@weir/runtime';
import fc from 'fast-check';
import pino from 'pino';
import { afterEach, expect, test, vi } from 'vitest';
import { createHubEvents } from '../api/events.ts';
import { systemClock } from '../clock/clock.ts';
import { createMemoryDownlink } from '../downlink/memory.ts';
import type { Log } from '../log/log.ts';
import { createMemoryLog } from '../log/memory.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import {
  anyDeployed,
  countingHost,
  failingStore,
  NO_COMMANDS,
  record,
  reportRecord,
  requestService,
} from '../workers/worker.fixture.ts';
import { createWorkers, type Workers } from '../workers/workers.ts';
import { UsageCounts } from './counts.ts';
import { readUsage } from './ledger.ts';
import { usageReports } from './reports.ts';

const KEEP_MS = 86_400_000;

const started: Workers[] = [];
afterEach(async () => {
  for (const workers of started.splice(0)) await workers.stop();
});

/** Tells what it used: a reading each. */
function meteredHost(device: string): FoldHost {
  const host = countingHost(device);
  const metered = (output: StepOutput, readings: number): StepOutput => ({
    ...output,
    usage: [{ ...NO_USAGE, fold: 'count', version: '1', memoryMb: 64, invocations: 1, readings, cpuMs: readings / 4 }],
  });
  return {
    ...host,
    step: async (input) => metered(await host.step(input), input.columns.index.length),
    tick: async (...args) => metered(await host.tick(...args), 0),
  };
}

async function start(log: Log, store: Store, counts: UsageCounts): Promise<Workers> {
  const workers = createWorkers(
    {
      ...{ log, store },
      fleet: {
        cloudDeployments: async () => ({ revision: 1, deployed: [anyDeployed('count')] }),
        cloudStatus: async () => {},
        cloudBundle: async () => undefined,
        refused: async (_device, reason) => expect.fail(reason),
      },
      downlink: createMemoryDownlink(),
      events: createHubEvents(),
      wakeNotifier: () => {},
      reports: { usage: usageReports({ partitions: log.partitions, keepMs: KEEP_MS, counts }) },
      usage: { keepMs: KEEP_MS, counts },
      commands: NO_COMMANDS,
      requests: requestService(),
      makeHost: meteredHost,
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

const reportOf = (n: number): UsageReport => {
  const now = Date.now();
  const used = { ...NO_USAGE, invocations: 1, readings: n };
  return { type: 'usage', id: `u${n}`, ts: now, from: now, function: 'mean', version: '1', memoryMb: 64, ...used };
};

test('whatever fails whenever, and however often and cut it is sent: what functions used is counted once, on devices and in the hub', async () => {
  const batches = fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 45 })), { minLength: 1, maxLength: 6 });
  const failures = fc.array(fc.constantFrom('ok', 'ok', 'before', 'after', 'conflict'), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(batches, failures, async (sent, plan) => {
      const log = createMemoryLog({ partitions: 1 });
      const store = createMemoryStore();
      const counts = new UsageCounts();
      const numbers = new Set<number>();
      for (const [seq, count] of sent) {
        const reports = Array.from({ length: count }, (_, at) => reportOf(seq + at));
        await log.append([reportRecord(seq, reports), record(seq, count)]);
        for (let n = seq; n < seq + count; n++) numbers.add(n);
      }
      const workers = await start(log, failingStore(store, [...plan]), counts);
      await vi.waitFor(async () => expect(await workers.lag()).toBe(0), { timeout: 30_000, interval: 2 });
      await workers.stop();
      const rows = await readUsage(store, { from: '1970-01-01', to: '9999-12-31' });
      expect(rows.map(({ function: name, where, readings }) => ({ name, where, readings }))).toEqual([
        { name: 'count', where: 'cloud', readings: numbers.size },
        { name: 'mean', where: 'edge', readings: [...numbers].reduce((sum, n) => sum + n, 0) },
      ]);
      // A write whose answer was lost is in the store, and not among what this process counted.
      if (!plan.includes('after')) {
        for (const { where, readings } of counts.all()) {
          expect(readings).toBe(rows.find((row) => row.where === where)!.readings);
        }
      }
    }),
    { numRuns: 30 },
  );
});
