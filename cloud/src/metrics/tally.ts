import type { Metric, Sample } from './metric.ts';

/** Counts events by their labels. */
export class Tally implements Metric {
  readonly type = 'counter';
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly #counts = new Map<string, { count: number; labels: Record<string, string> }>();

  constructor(name: string, help: string, labels: readonly string[]) {
    this.name = name;
    this.help = help;
    this.labels = labels;
  }

  add(labels: Record<string, string>): void {
    const key = Object.values(labels).join('\0');
    const before = this.#counts.get(key)?.count ?? 0;
    this.#counts.set(key, { count: before + 1, labels });
  }

  read = (): Sample[] => [...this.#counts.values()].map(({ count, labels }) => [count, labels]);
}
