import { Counter, Gauge, Registry } from 'prom-client';
import type { Commands } from './commands/commands.ts';
import type { DeliveryCounts } from './commands/delivery.ts';
import type { Front, FrontCount } from './front/front.ts';
import type { WorkerCounts } from './workers/limits.ts';
import type { Workers } from './workers/workers.ts';

/** What front, workers and commands count, for Prometheus. Labels are from closed lists, never ids of devices. */
export function hubMetrics(front: Front, workers: Workers, commands: Commands): Registry {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({
    name: 'weir_front_connections',
    help: 'Devices that are connected now.',
    registers,
    collect() {
      this.set(front.connected());
    },
  });
  new Gauge({
    name: 'weir_log_lag_records',
    help: 'Batches in the log that workers have not taken yet.',
    registers,
    async collect() {
      this.set(await workers.lag());
    },
  });
  new Gauge({
    name: 'weir_requests_open_circuits',
    help: "Destinations of functions' requests that are left alone for a while, for they fail.",
    registers,
    collect() {
      this.set(workers.openCircuits());
    },
  });
  mirror<FrontCount>(registry, 'weir_front_messages_total', 'Messages and connections by what became of them.', () =>
    front.counts(),
  );
  mirror<keyof WorkerCounts>(registry, 'weir_worker_items_total', 'What workers have taken, by kind.', () =>
    workers.counts(),
  );
  mirror<keyof DeliveryCounts>(registry, 'weir_commands_total', 'Commands to devices, by kind.', () =>
    commands.counts(),
  );
  return registry;
}

/** Counters that are counted elsewhere. */
function mirror<K extends string>(
  registry: Registry,
  name: string,
  help: string,
  counts: () => Readonly<Record<K, number>>,
): void {
  new Counter({
    name,
    help,
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [kind, count] of Object.entries<number>(counts())) this.inc({ kind }, count);
    },
  });
}
