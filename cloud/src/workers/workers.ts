import { ASK_TABLE } from '../dead-letters/dead-letter.ts';
import { partitionOf } from '../log/log.ts';
import type { Store } from '../store/store.ts';
import { GATHER_TABLE } from './gather/parts.ts';
import { FOLD_TABLE } from './kept-folds.ts';
import { noCounts, WORKER_LIMITS, type WorkerCounts, type WorkerLimits } from './limits.ts';
import { PartitionWorker, type WorkerPorts } from './worker.ts';

/** One loop for each partition of the log, in one process. */
export interface Workers {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** What should run in the cloud for the device may have changed. */
  nudge(device: string): void;
  /** Records that wait, over all partitions. */
  lag(): Promise<number>;
  counts(): Readonly<WorkerCounts>;
  /** Destinations of functions' requests that are left alone for a while, for they fail. */
  openCircuits(): number;
}

export function createWorkers(ports: WorkerPorts, options: Partial<WorkerLimits> = {}): Workers {
  const limits = { ...WORKER_LIMITS, ...options };
  const counts = noCounts();
  const { partitions } = ports.log;
  const workerOf = (device: string) => workers[partitionOf(device, partitions)]!;
  const tell = (gatherer: string) => workerOf(gatherer).nudge(gatherer);
  const workers = Array.from({ length: partitions }, (_, at) => new PartitionWorker(at, ports, limits, counts, tell));
  return {
    async start() {
      const devicesMax = limits.devicesMax * partitions;
      // Schedules and durations go on, and what is asked about letters is done, although the device sends nothing.
      for (const table of [FOLD_TABLE, ASK_TABLE]) {
        for await (const device of namesIn(ports.store, table, devicesMax)) workerOf(device).nudge(device);
      }
      for await (const gatherer of namesIn(ports.store, GATHER_TABLE)) tell(gatherer);
      for (const worker of workers) worker.start();
    },
    async stop() {
      const carried = ports.requests.carrier.stop();
      await Promise.all(workers.map((worker) => worker.stop()));
      await carried;
    },
    nudge: (device) => workerOf(device).nudge(device),
    async lag() {
      const lags = await Promise.all(workers.map((worker) => worker.lag()));
      return lags.reduce((sum, lag) => sum + lag, 0);
    },
    counts: () => counts,
    openCircuits: () => ports.requests.carrier.openCircuits().length,
  };
}

/** Partitions of a table, `max` at most. */
async function* namesIn(store: Store, table: string, max = Number.POSITIVE_INFINITY): AsyncGenerator<string> {
  let after: string | undefined;
  let found = 0;
  do {
    const page = await store.partitions(table, after === undefined ? {} : { after });
    for (const name of page.names) {
      if (++found > max) return;
      yield name;
    }
    after = page.next;
  } while (after !== undefined);
}
