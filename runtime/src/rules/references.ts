import type { Sample } from './conditions/condition.ts';
import { seriesKey } from './episode/packed-sample.ts';

/** Series that levels of several subjects come from; one for each subject, or a few for all. */
const REFERENCES_MAX = 10_000;

/** The last reading of each, for subjects that are yet to come. */
export class References {
  readonly byKey: Map<string, Sample>;

  constructor(byKey: Map<string, Sample>) {
    this.byKey = byKey;
  }

  /** @returns its name, if that is to be kept */
  note(sample: Sample): string | undefined {
    const series = seriesKey(sample);
    const last = this.byKey.get(series);
    if (last !== undefined && sample.ts < last.ts) return undefined;
    if (last === undefined && this.byKey.size >= REFERENCES_MAX) return undefined;
    this.byKey.set(series, sample);
    return series;
  }

  /** @returns their names */
  clear(): string[] {
    const names = [...this.byKey.keys()];
    this.byKey.clear();
    return names;
  }
}
