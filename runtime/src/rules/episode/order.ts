/**
 * Samples of one subject on their way into order of event time.
 *
 *     arrives -> the same again?  -> left out
 *             -> older than the last of its series that was taken -> late
 *             -> waits for `lateness` -> taken, in order
 *
 * Freshness is told by series: sensors of one device are not in step with one another, and what is new of one of them is
 * new though another is further on.
 */
import type { Value } from '@weir/protocols';
import type { Sample } from '../conditions/condition.ts';
import type { Subject } from '../conditions/signals.ts';
import { deviceOf, ownKey, type PackedSample, packed, seriesKey, unpacked } from './packed-sample.ts';

export interface OrderState {
  /** Last that was taken of each series: when, and what it said. The subject's own has no name. */
  last: [series: string, ts: number, value?: Value][];
  waiting?: PackedSample[];
  /** Of a group: latest event time that was taken, of a device that may be gone. */
  taken?: number;
}

/**
 * Of one subject; an hour of lateness at a reading in three seconds. One that comes faster is let go before its time, and
 * what comes after it too late is late.
 */
export const WAITING_MAX = 1_024;
/** Series of one subject: of a group as many as it has devices. The one heard of longest ago is forgotten. */
export const SERIES_PER_SUBJECT_MAX = 10_000;

export type Arrived = 'again' | 'late' | 'waits';

export class Order {
  readonly #latenessMs: number;
  readonly #of: Subject;
  /** Of a subject that is one series; empty for others. */
  readonly #own: string;
  #last: Map<string, [ts: number, value?: Value]>;
  /** Of a group: names of the series of each device. */
  readonly #byDevice: Map<string, Set<string>> | undefined;
  #takenOfGone: number;
  #waiting: Sample[];
  /** Latest event time that has arrived. */
  #newest: number;

  constructor(latenessMs: number, of: Subject, state?: OrderState) {
    this.#latenessMs = latenessMs;
    this.#of = of;
    this.#own = ownKey(of);
    this.#last = new Map();
    if (of.device === undefined) this.#byDevice = new Map();
    for (const [series, ...last] of state?.last ?? []) this.#set(series || this.#own, deviceOf(series), last);
    this.#waiting = (state?.waiting ?? []).map((each) => unpacked(each, of));
    this.#takenOfGone = state?.taken ?? 0;
    this.#newest = this.#latest;
  }

  get state(): OrderState {
    const state = this.core;
    for (const [series, of] of this.#last) state.last.push([series === this.#own ? '' : series, ...of]);
    if (this.#waiting.length > 0) state.waiting = this.#waiting.map((each) => packed(each, this.#of));
    return state;
  }

  /** Of a group: what is kept of one device alone; undefined: nothing. */
  shareOf(device: string): OrderState | undefined {
    const series = this.#byDevice?.get(device);
    const waiting = this.#waiting.filter((each) => each.device === device).map((each) => packed(each, this.#of));
    if (series === undefined && waiting.length === 0) return undefined;
    const last = [...(series ?? [])].map((key): OrderState['last'][number] => [key, ...this.#last.get(key)!]);
    return waiting.length === 0 ? { last } : { last, waiting };
  }

  /** Of a group: what is of none of its devices. */
  get core(): OrderState {
    return this.#takenOfGone === 0 ? { last: [] } : { last: [], taken: this.#takenOfGone };
  }

  /** Of a group: a device is of it no more. */
  forget(device: string): void {
    this.#takenOfGone = this.taken;
    for (const key of this.#byDevice?.get(device) ?? []) this.#last.delete(key);
    this.#byDevice?.delete(device);
    this.#waiting = this.#waiting.filter((each) => each.device !== device);
    this.#newest = this.#latest;
  }

  get #latest(): number {
    let latest = this.taken;
    for (const { ts } of this.#waiting) if (ts > latest) latest = ts;
    return latest;
  }

  get newest(): number {
    return this.#newest;
  }

  /** Latest event time that was taken. */
  get taken(): number {
    let latest = this.#takenOfGone;
    for (const [ts] of this.#last.values()) if (ts > latest) latest = ts;
    return latest;
  }

  /** Event time at which the first of those that wait may go; infinity: none waits. */
  get due(): number {
    const first = this.#waiting[0];
    return first === undefined ? Number.POSITIVE_INFINITY : first.ts + this.#latenessMs;
  }

  /** The first of those that wait. */
  get first(): Sample | undefined {
    return this.#waiting[0];
  }

  /** Whether there is but one series. */
  get isSingle(): boolean {
    return this.#last.size <= 1;
  }

  add(sample: Sample): Arrived {
    const last = this.#last.get(this.#keyOf(sample));
    if (last !== undefined) {
      if (sample.ts < last[0]) return 'late';
      if (sample.ts === last[0] && sample.value === last[1]) return 'again';
    }
    let at = this.#waiting.length;
    while (at > 0 && this.#isBehind(this.#waiting[at - 1]!, sample)) at--;
    for (let same = at - 1; same >= 0 && this.#waiting[same]!.ts === sample.ts; same--) {
      if (isSame(this.#waiting[same]!, sample)) return 'again';
    }
    this.#waiting.splice(at, 0, sample);
    this.#newest = Math.max(this.#newest, sample.ts);
    return 'waits';
  }

  /** The next of those that need not wait any longer. @param until event time up to which everything is here */
  next(until: number): Sample | undefined {
    const first = this.#waiting[0];
    if (first === undefined) return undefined;
    if (first.ts > until - this.#latenessMs && this.#waiting.length <= WAITING_MAX) return undefined;
    this.#waiting.shift();
    this.note(first);
    return first;
  }

  /** It was taken. */
  note(sample: Sample): void {
    const { ts, value } = sample;
    const key = this.#keyOf(sample);
    const last = this.#last.get(key);
    if (last === undefined) {
      if (this.#last.size >= SERIES_PER_SUBJECT_MAX) this.#forgetOldest();
      this.#set(key, sample.device, [ts, value]);
    } else {
      last[0] = ts;
      last[1] = value;
    }
    this.#newest = Math.max(this.#newest, ts);
  }

  moveTime(moved: (ts: number) => number): void {
    for (const [series, [ts, ...value]] of this.#last) this.#last.set(series, [moved(ts), ...value]);
    this.#waiting = this.#waiting.map((sample) => ({ ...sample, ts: moved(sample.ts) }));
    if (this.#takenOfGone > 0) this.#takenOfGone = moved(this.#takenOfGone);
    this.#newest = moved(this.#newest);
  }

  /** Of a group, those of one moment go by their names: it has many devices, and is restored from what is kept of each. */
  #isBehind(waits: Sample, sample: Sample): boolean {
    if (waits.ts !== sample.ts || this.#byDevice === undefined) return waits.ts > sample.ts;
    return seriesKey(waits) > seriesKey(sample);
  }

  /** The key of the one series that most subjects are is not put together for each of its samples. */
  #keyOf(sample: Sample): string {
    const { device, sensor, metric } = this.#of;
    const isOwn = sample.sensor === sensor && sample.metric === metric && sample.device === device;
    return isOwn ? this.#own : seriesKey(sample);
  }

  #set(key: string, device: string, last: [ts: number, value?: Value]): void {
    this.#last.set(key, last);
    const known = this.#byDevice?.get(device);
    if (known === undefined) this.#byDevice?.set(device, new Set([key]));
    else known.add(key);
  }

  #forgetOldest(): void {
    let oldest: string | undefined;
    for (const [series, [ts]] of this.#last) {
      if (oldest === undefined || ts < this.#last.get(oldest)![0]) oldest = series;
    }
    this.#last.delete(oldest!);
    this.#byDevice?.get(deviceOf(oldest!))?.delete(oldest!);
  }
}

/** Of which the next is taken: at one moment of the first of these, for with the subject's own, which is the second, it is whole. */
export function earlierOf(a: Order, b: Order): Order {
  return a.due <= b.due ? a : b;
}

function isSame(a: Sample, b: Sample): boolean {
  return a.value === b.value && seriesKey(a) === seriesKey(b);
}

/** Of several devices of a group, as they wait. */
export function sortedWaiting(waiting: readonly PackedSample[]): PackedSample[] {
  return [...waiting].sort(
    ([a, , one], [b, , other]) => a - b || ((one ?? '') < (other ?? '') ? -1 : one === other ? 0 : 1),
  );
}
