/**
 * Metrics as data: what is counted elsewhere, under the name, the labels and the sentence that Prometheus gets.
 * `docs/operations/metrics.md` lists them; a test compares.
 *
 * Labels are from closed or bounded lists, never ids of devices: each value of a label is a series for ever.
 */
import { Counter, Gauge, Registry } from 'prom-client';

export type Sample = [value: number, labels?: Record<string, string>];

export interface Metric {
  /** With its unit last, or `_total`. @see https://prometheus.io/docs/practices/naming/ */
  name: string;
  type: 'counter' | 'gauge';
  help: string;
  labels: readonly string[];
  /** As it is now. */
  read(): Iterable<Sample> | Promise<Iterable<Sample>>;
}

export function registryOf(metrics: readonly Metric[]): Registry {
  const registry = new Registry();
  for (const { name, type, help, labels, read } of metrics) {
    const about = { name, help, labelNames: labels, registers: [registry] };
    const collect = async function (this: Counter | Gauge): Promise<void> {
      const samples = await read();
      this.reset();
      for (const [value, values = {}] of samples) this.inc(values, value);
    };
    if (type === 'counter') new Counter({ ...about, collect });
    else new Gauge({ ...about, collect });
  }
  return registry;
}

/** Of one number. */
export function metric(type: Metric['type'], name: string, help: string, read: () => number | Promise<number>): Metric {
  return { name, type, help, labels: [], read: async () => [[await read()]] };
}

/** A counter for each count; `help` has a sentence for each, so that none is forgotten. */
export function countersOf<K extends string>(
  prefix: string,
  help: Readonly<Record<K, string>>,
  counts: () => Readonly<Record<K, number>>,
): Metric[] {
  return Object.entries<string>(help).map(([key, sentence]) =>
    metric('counter', `${prefix}_${snake(key)}_total`, sentence, () => counts()[key as K]),
  );
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
