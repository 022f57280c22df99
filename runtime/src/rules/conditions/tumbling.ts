import type { Json, JsonObject, Value } from '@weir/protocols';
import { movedPast, type TimeMove } from '../../fold/move-time.ts';
import type { Gauge } from './gauge.ts';
import { measured, quantileOf, type Windowed } from './measures.ts';
import { Sketch, type Weighted, weightedQuantile } from './sketch.ts';
import { addTo, packSummary, type Summary, summaryOf, unpackSummary } from './summary.ts';
import { numberOf } from './values.ts';

interface TumblingState {
  since?: number;
  seen: number;
  window?: number;
  summary?: number[];
  values?: number[];
  sketch?: Json;
  value?: number;
}

/**
 * Windows one after another; its value is that of the last that is over.
 *
 *     by time     [ k * ms, (k + 1) * ms ), over when this time has come; the first one that was seen only in part counts
 *                 for nothing, but for a count
 *     by samples  over with the nth
 */
export class TumblingGauge implements Gauge {
  #measure: Windowed;
  #ms: number | undefined;
  #samples: number | undefined;
  #since: number | undefined;
  /** Of a window by time: which one. */
  #window: number | undefined;
  #summary: Summary | undefined;
  /** Of a quantile; in a sketch when there are too many. */
  #values: number[] | undefined;
  #sketch: Sketch | undefined;
  #value: number | undefined;

  constructor(measure: Windowed, state: Json | undefined) {
    this.#measure = measure;
    if ('ms' in measure.window) this.#ms = measure.window.ms;
    else this.#samples = measure.window.samples;
    const saved = state as unknown as TumblingState | undefined;
    this.#since = saved?.since;
    this.#window = saved?.window;
    this.#value = saved?.value;
    if (saved?.summary !== undefined) this.#summary = unpackSummary(saved.summary);
    this.#values = saved?.values;
    if (saved?.sketch !== undefined) this.#sketch = Sketch.from(saved.sketch);
  }

  add(ts: number, value: Value | undefined): void {
    const amount = this.#measure.kind === 'count' && value !== undefined ? (numberOf(value) ?? 0) : numberOf(value);
    if (amount === undefined) return;
    this.#since ??= ts;
    this.#roll(ts);
    if (this.#ms !== undefined) this.#window ??= Math.floor(ts / this.#ms);
    if (this.#summary === undefined) this.#summary = summaryOf(ts, amount);
    else addTo(this.#summary, ts, amount);
    if (this.#measure.kind === 'quantile') this.#keep(amount);
    if (this.#samples !== undefined && this.#summary.count >= this.#samples) this.#finish();
  }

  valueAt(now: number): number | undefined {
    this.#roll(now);
    return this.#value;
  }

  dueAt(now: number): number | undefined {
    this.#roll(now);
    if (this.#window === undefined || this.#ms === undefined) return undefined;
    // Of windows that nothing is in one is like the other.
    const isSettled = this.#summary === undefined && this.#value === this.#ofNothing;
    return isSettled ? undefined : (this.#window + 1) * this.#ms;
  }

  get state(): Json {
    const state: JsonObject = {};
    if (this.#since !== undefined) state.since = this.#since;
    if (this.#window !== undefined) state.window = this.#window;
    if (this.#summary !== undefined) state.summary = packSummary(this.#summary);
    if (this.#values !== undefined) state.values = [...this.#values];
    if (this.#sketch !== undefined) state.sketch = this.#sketch.state;
    if (this.#value !== undefined) state.value = this.#value;
    return state;
  }

  moveTime(move: TimeMove): void {
    if (this.#since !== undefined) this.#since = movedPast(this.#since, move);
    if (this.#summary !== undefined) {
      this.#summary.firstTs = movedPast(this.#summary.firstTs, move);
      this.#summary.lastTs = movedPast(this.#summary.lastTs, move);
    }
    if (this.#window !== undefined && this.#ms !== undefined) {
      this.#window = Math.floor(movedPast(this.#window * this.#ms, move) / this.#ms);
    }
  }

  get #ofNothing(): number | undefined {
    return this.#measure.kind === 'count' ? 0 : undefined;
  }

  #roll(now: number): void {
    if (this.#ms === undefined || this.#window === undefined) return;
    const window = Math.floor(now / this.#ms);
    if (window <= this.#window) return;
    if (window > this.#window + 1) this.#summary = undefined;
    // What is left of the last one that is over: nothing, where some were empty.
    this.#finish(this.#window * this.#ms);
    this.#window = window;
  }

  /** @param from when the window began, ms */
  #finish(from = Number.POSITIVE_INFINITY): void {
    const isWhole = from >= this.#since! || this.#measure.kind === 'count';
    this.#value = isWhole ? this.#now() : undefined;
    this.#summary = undefined;
    this.#values = undefined;
    this.#sketch = undefined;
  }

  #now(): number | undefined {
    if (this.#measure.kind !== 'quantile') return measured(this.#measure, this.#summary);
    if (this.#summary === undefined) return undefined;
    if (this.#sketch === undefined)
      return quantileOf(
        this.#values!.sort((a, b) => a - b),
        this.#measure.q,
      );
    const values: Weighted[] = [];
    this.#sketch.collect(values);
    return weightedQuantile(values, this.#measure.q);
  }

  #keep(value: number): void {
    if (this.#sketch !== undefined) {
      this.#sketch.add(value);
      return;
    }
    this.#values ??= [];
    this.#values.push(value);
    if (this.#values.length <= EXACT_MAX) return;
    this.#sketch = new Sketch();
    for (const each of this.#values) this.#sketch.add(each);
    this.#values = undefined;
  }
}

/** Beyond these a quantile goes over to a sketch. */
const EXACT_MAX = 512;
