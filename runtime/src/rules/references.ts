/**
 * Levels that come from a series of another sensor, for subjects that are yet to come: one begins with what others have
 * said up to its first sample. With lateness that one may be older than the newest level, so that what was said within
 * it is kept as well, and what was said last before.
 *
 *     lateness        |<------------->|
 *     levels    x  x  |    x    x     x newest      kept: all but the first
 */
import { movedPast, type TimeMove } from '../fold/move-time.ts';
import type { Sample } from './conditions/condition.ts';
import { WAITING_MAX } from './episode/order.ts';
import { type PackedSample, packed, seriesKey, unpacked } from './episode/packed-sample.ts';

/** The newest level of a series, as it is kept, with those before it, the oldest first. */
export interface Reference extends Sample {
  earlier?: PackedSample[];
}

/** Series that levels of several subjects come from; one for each subject, or a few for all. */
const REFERENCES_MAX = 10_000;

/** Of one series: as many as may wait for one subject. */
const EARLIER_MAX = WAITING_MAX;

/** Of all series of a rule; some 20 bytes each, beside the newest of each at some 100. With more, a series keeps its newest alone. */
const EARLIER_OF_ALL_MAX = 4_096;

export class References {
  readonly byKey: Map<string, Reference>;
  readonly #latenessMs: number;
  #earlierCount = 0;

  constructor(byKey: Map<string, Reference>, latenessMs: number) {
    this.byKey = byKey;
    this.#latenessMs = latenessMs;
    for (const { earlier } of byKey.values()) this.#earlierCount += earlier?.length ?? 0;
  }

  /** @returns its name, if that is to be kept */
  note(sample: Sample): string | undefined {
    const series = seriesKey(sample);
    const last = this.byKey.get(series);
    if (last === undefined && this.byKey.size >= REFERENCES_MAX) return undefined;
    if (last !== undefined && this.#latenessMs > 0) return this.#noteBeside(series, last, sample) ? series : undefined;
    if (last !== undefined && sample.ts < last.ts) return undefined;
    this.byKey.set(series, sample);
    return series;
  }

  /** What is kept of the series that it takes, in order. */
  levelsFor(subject: { takes(series: Sample): boolean }): Sample[] {
    const levels: Sample[] = [];
    for (const reference of this.byKey.values()) {
      if (!subject.takes(reference)) continue;
      const { earlier = [], ...newest } = reference;
      for (const each of earlier) levels.push(unpacked(each, newest));
      levels.push(newest);
    }
    return levels.sort((a, b) => a.ts - b.ts);
  }

  /** @returns their names */
  moveTime(move: TimeMove): string[] {
    for (const [series, { earlier, ...newest }] of this.byKey) {
      const moved: Reference = { ...newest, ts: movedPast(newest.ts, move) };
      if (earlier !== undefined) moved.earlier = earlier.map(([ts, ...of]) => [movedPast(ts, move), ...of]);
      this.byKey.set(series, moved);
    }
    return [...this.byKey.keys()];
  }

  /** @returns their names */
  clear(): string[] {
    const names = [...this.byKey.keys()];
    this.byKey.clear();
    this.#earlierCount = 0;
    return names;
  }

  /** @returns whether it is kept */
  #noteBeside(series: string, { earlier = [], ...newest }: Reference, sample: Sample): boolean {
    const levels = [...earlier, packed(newest, newest)];
    let at = levels.length;
    while (at > 0 && levels[at - 1]![0] > sample.ts) at--;
    for (let same = at - 1; same >= 0 && levels[same]![0] === sample.ts; same--) {
      if (levels[same]![1] === sample.value) return false;
    }
    levels.splice(at, 0, packed(sample, sample));
    const since = levels.at(-1)![0] - this.#latenessMs;
    const others = this.#earlierCount - earlier.length;
    const room = Math.min(EARLIER_MAX, EARLIER_OF_ALL_MAX - others);
    let from = 0;
    while (from < levels.length - 1 && (levels[from + 1]![0] <= since || levels.length - 1 - from > room)) from++;
    if (at < from) return false;
    const left = levels.slice(from, -1);
    this.#earlierCount = others + left.length;
    const last = unpacked(levels.at(-1)!, newest);
    this.byKey.set(series, left.length === 0 ? last : { ...last, earlier: left });
    return true;
  }
}
