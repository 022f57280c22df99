import type { Json, JsonObject, Value } from '@weir/protocols';
import { movedPast, type TimeMove } from '../../fold/move-time.ts';
import { BucketWindow } from './bucket-window.ts';
import { ExactWindow } from './exact-window.ts';
import type { Gauge } from './gauge.ts';
import { isDifference, type Windowed } from './measures.ts';
import { numberOf } from './values.ts';

interface SlidingState {
  /** First sample of all; absent once the window was full. */
  since?: number | null;
  /** Samples so far, up to what makes a window of samples full; of buckets all. */
  seen: number;
  /** Samples one by one: the first time, then the distance of each to the one before. */
  ts?: number[];
  values?: number[];
  buckets?: Json;
}

/**
 * A window that moves with its samples. It is looked at with each of them: what has left it since then changes nothing
 * until the next one, but for a count, which falls as time goes on.
 *
 *     by time      ( ts - ms, ts ]; of a change [ ts - ms, ts ], for a difference needs both its ends
 *     by samples   the last n
 */
export class SlidingGauge implements Gauge {
  #measure: Windowed;
  #ms: number | undefined;
  #samples: number | undefined;
  #since: number | undefined;
  #isFull: boolean;
  #seen: number;
  #exact: ExactWindow | undefined;
  #buckets: BucketWindow | undefined;
  /** Of the last sample; undefined: to be worked out. */
  #value: { is: number | undefined } | undefined;

  constructor(measure: Windowed, state: Json | undefined) {
    this.#measure = measure;
    const { window } = measure;
    if ('ms' in window) this.#ms = window.ms;
    else this.#samples = window.samples;
    const saved = state as unknown as SlidingState | undefined;
    this.#seen = saved?.seen ?? 0;
    this.#isFull = saved !== undefined && saved.since === undefined;
    this.#since = saved?.since ?? undefined;
    if (saved?.buckets !== undefined) this.#buckets = new BucketWindow(measure, this.#length, saved.buckets);
    else this.#exact = new ExactWindow(measure, summed(saved?.ts ?? []), saved?.values);
  }

  get #length(): number {
    return (this.#ms ?? this.#samples)!;
  }

  add(ts: number, value: Value | undefined): void {
    const amount = this.#measure.kind === 'count' && value !== undefined ? (numberOf(value) ?? 0) : numberOf(value);
    if (amount === undefined) return;
    this.#seen++;
    this.#since ??= ts;
    if (!this.#isFull)
      this.#isFull = this.#ms === undefined ? this.#seen >= this.#samples! : ts - this.#since >= this.#ms;
    this.#value = undefined;
    if (this.#exact !== undefined) {
      this.#exact.add(ts, amount);
      this.#dropExact(ts);
      if (this.#exact.length > EXACT_MAX) this.#toBuckets();
    } else {
      this.#buckets!.add(this.#ms === undefined ? this.#seen - 1 : ts, ts, amount);
      this.#buckets!.dropUntil(this.#ms === undefined ? this.#seen - 1 - this.#samples! : this.#edge(ts));
    }
  }

  valueAt(now: number): number | undefined {
    if (this.#measure.kind === 'count') return this.#countAt(now);
    if (!this.#isFull) return undefined;
    this.#value ??= { is: (this.#exact ?? this.#buckets!).value() };
    return this.#value.is;
  }

  dueAt(now: number): number | undefined {
    if (this.#measure.kind !== 'count' || this.#ms === undefined) return undefined;
    const edge = now - this.#ms;
    const next =
      this.#exact === undefined ? this.#buckets!.firstAfter(edge) : this.#exact.ts[this.#exact.countUntil(edge)];
    return next === undefined ? undefined : next + this.#ms;
  }

  get state(): Json {
    const state: JsonObject = { seen: this.#samples === undefined ? 0 : this.#seen };
    if (!this.#isFull) state.since = this.#since ?? null;
    if (this.#exact === undefined) state.buckets = this.#buckets!.state;
    else {
      state.ts = this.#exact.ts.map((ts, at, all) => (at === 0 ? ts : ts - all[at - 1]!));
      state.values = [...this.#exact.values];
    }
    return state;
  }

  moveTime(move: TimeMove): void {
    if (this.#since !== undefined) this.#since = movedPast(this.#since, move);
    this.#exact?.moveTime(move);
    if (this.#ms !== undefined) this.#buckets?.moveTime(move);
    this.#value = undefined;
  }

  #countAt(now: number): number {
    if (this.#ms === undefined) return Math.min(this.#seen, this.#samples!);
    const edge = now - this.#ms;
    if (this.#exact === undefined) return this.#buckets!.value(edge)!;
    return this.#exact.length - this.#exact.countUntil(edge);
  }

  /** What is as old as this, or older, is no longer in the window. */
  #edge(ts: number): number {
    return ts - this.#ms! - (isDifference(this.#measure) ? 1 : 0);
  }

  #dropExact(ts: number): void {
    const exact = this.#exact!;
    exact.drop(this.#ms === undefined ? Math.max(0, exact.length - this.#samples!) : exact.countUntil(this.#edge(ts)));
  }

  #toBuckets(): void {
    const { ts, values } = this.#exact!;
    this.#buckets = new BucketWindow(this.#measure, this.#length);
    ts.forEach((each, at) => {
      this.#buckets!.add(this.#ms === undefined ? this.#seen - ts.length + at : each, each, values[at]!);
    });
    this.#exact = undefined;
  }
}

function summed(deltas: readonly number[]): number[] {
  let at = 0;
  return deltas.map((delta) => (at += delta));
}

/** Beyond these a window goes over to buckets. A state of them has about 6 KiB, and is written with each sample. */
const EXACT_MAX = 512;
