import { type Manifest, type Reading, rulePlan, signalsOf } from '@weir/protocols';

/** As `threshold` has it: neither true nor false. */
const UNKNOWN = 'unknown';

/** What a function said that has failed now, as of then: that nobody knows. */
export class Verdicts {
  readonly #metrics: ReadonlySet<string>;
  /** By series: when it last said something there, ms. */
  #said: Map<string, number>;

  constructor({ name, rule }: Manifest, said: readonly [series: string, ts: number][] = []) {
    const metrics = rule === undefined ? [] : signalsOf(rulePlan(rule)).map(({ metric }) => metric);
    this.#metrics = new Set(metrics.filter((metric) => metric.startsWith(`${name}.`)));
    this.#said = new Map(said);
  }

  get state(): [series: string, ts: number][] | undefined {
    return this.#said.size === 0 ? undefined : [...this.#said];
  }

  /** @returns whether there is something to keep */
  note(emitted: readonly Reading[]): boolean {
    let isNew = false;
    for (const { sensor, metric, ts } of emitted) {
      if (!this.#metrics.has(metric)) continue;
      const series = `${sensor}/${metric}`;
      isNew ||= !this.#said.has(series);
      this.#said.set(series, Math.max(ts, this.#said.get(series) ?? 0));
    }
    return isNew;
  }

  /** @param at event time of what it failed at */
  unknown(at: number): Reading[] {
    return [...this.#said].map(([series, ts]) => {
      const [sensor, metric] = series.split('/') as [string, string];
      return { sensor, metric, value: UNKNOWN, ts: Math.max(ts, at) };
    });
  }
}
