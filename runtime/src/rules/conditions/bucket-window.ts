import type { Json } from '@weir/protocols';
import { movedPast, type TimeMove } from '../../fold/move-time.ts';
import { measured, type Windowed } from './measures.ts';
import { type Closed, Sketch, type Weighted, weightedQuantile } from './sketch.ts';
import { addTo, join, packSummary, type Summary, summaryOf, unpackSummary } from './summary.ts';

interface Bucket {
  /** Which stretch of time, or of samples: its beginning by its width. */
  at: number;
  summary: Summary;
  /** Of a quantile: while values are added, and after that. */
  sketch?: Sketch | undefined;
  closed?: Closed;
}

/**
 * A window of more samples than are kept one by one, in {@link BUCKETS} buckets that leave it whole: it is then up to one
 * of them, 1/64, shorter than it should be, and nothing else about it is less exact but a quantile, see `sketch.ts`.
 *
 *     now - length                                        now
 *          |  [ bucket ][ bucket ][ bucket ] … [ bucket ]  |
 */
export class BucketWindow {
  #measure: Windowed;
  #width: number;
  #buckets: Bucket[];

  /** @param length of the window, in ms or samples; places of samples are given in the same */
  constructor(measure: Windowed, length: number, state: Json = []) {
    this.#measure = measure;
    this.#width = Math.ceil(length / BUCKETS);
    this.#buckets = (state as Json[][]).map(([at, summary, sketch, closed]) => ({
      at: at as number,
      summary: unpackSummary(summary as number[]),
      ...(sketch != null && { sketch: Sketch.from(sketch) }),
      ...(closed != null && { closed: closed as unknown as Closed }),
    }));
  }

  get isEmpty(): boolean {
    return this.#buckets.length === 0;
  }

  add(place: number, ts: number, value: number): void {
    const at = Math.floor(place / this.#width);
    const bucket = this.#buckets.at(-1);
    if (bucket !== undefined && bucket.at >= at) {
      addTo(bucket.summary, ts, value);
      bucket.sketch?.add(value);
      return;
    }
    if (bucket?.sketch !== undefined) {
      bucket.closed = bucket.sketch.closed();
      bucket.sketch = undefined;
    }
    const begun: Bucket = { at, summary: summaryOf(ts, value) };
    if (this.#measure.kind === 'quantile') {
      begun.sketch = new Sketch();
      begun.sketch.add(value);
    }
    this.#buckets.push(begun);
  }

  /** Forgets what began at that place, or before. */
  dropUntil(place: number): void {
    while (this.#buckets.length > 0 && this.#buckets[0]!.at * this.#width <= place) this.#buckets.shift();
  }

  /** Of what began after that place. */
  value(place = Number.NEGATIVE_INFINITY): number | undefined {
    const within = this.#buckets.filter(({ at }) => at * this.#width > place);
    if (this.#measure.kind !== 'quantile') {
      const joined = within
        .map(({ summary }) => summary)
        .reduce((a: Summary | undefined, b) => (a ? join(a, b) : b), undefined);
      return measured(this.#measure, joined);
    }
    if (within.length === 0) return undefined;
    const values: Weighted[] = [];
    for (const { sketch, closed } of within) {
      for (const value of closed?.values ?? []) values.push([value, closed!.weight]);
      sketch?.collect(values);
    }
    return weightedQuantile(values, this.#measure.q);
  }

  /** Where the first bucket after that place begins. */
  firstAfter(place: number): number | undefined {
    const bucket = this.#buckets.find(({ at }) => at * this.#width > place);
    return bucket && bucket.at * this.#width;
  }

  get state(): Json {
    return this.#buckets.map(({ at, summary, sketch, closed }) => {
      const rest =
        closed !== undefined ? [null, closed as unknown as Json] : sketch !== undefined ? [sketch.state] : [];
      return [at, packSummary(summary), ...rest];
    });
  }

  /** Of a window by time. */
  moveTime(move: TimeMove): void {
    for (const bucket of this.#buckets) {
      const { summary } = bucket;
      const tookMs = summary.lastTs - summary.firstTs;
      summary.firstTs = movedPast(summary.firstTs, move);
      summary.lastTs = summary.firstTs + tookMs;
      bucket.at = Math.floor(summary.firstTs / this.#width);
    }
  }
}

/** About 100 bytes each, of a quantile 500: a window that long is written with each of its samples. */
const BUCKETS = 64;
