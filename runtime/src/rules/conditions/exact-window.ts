import { movedPast, type TimeMove } from '../../fold/move-time.ts';
import { isDifference, measured, quantileOf, type Windowed } from './measures.ts';
import { addTo, type Summary, summaryOf } from './summary.ts';

/** The samples of a window, all of them; what is made of them depends on nothing else, so that a restart changes no bit. */
export class ExactWindow {
  #measure: Windowed;
  #ts: number[];
  #values: number[];
  /** Of a quantile: the same values in order. */
  #sorted: number[] | undefined;

  constructor(measure: Windowed, ts: number[] = [], values: number[] = []) {
    this.#measure = measure;
    this.#ts = ts;
    this.#values = values;
    if (measure.kind === 'quantile') this.#sorted = [...values].sort((a, b) => a - b);
  }

  get length(): number {
    return this.#ts.length;
  }

  get ts(): readonly number[] {
    return this.#ts;
  }

  get values(): readonly number[] {
    return this.#values;
  }

  add(ts: number, value: number): void {
    this.#ts.push(ts);
    this.#values.push(value);
    this.#sorted?.splice(placeOf(this.#sorted, value), 0, value);
  }

  /** Forgets the first of them. */
  drop(count: number): void {
    if (count === 0) return;
    if (this.#sorted !== undefined) {
      for (let at = 0; at < count; at++) this.#sorted.splice(placeOf(this.#sorted, this.#values[at]!), 1);
    }
    this.#ts.splice(0, count);
    this.#values.splice(0, count);
  }

  /** How many are older than that, or as old. */
  countUntil(ts: number): number {
    // From the oldest on: most often none or one has left.
    let count = 0;
    while (count < this.#ts.length && this.#ts[count]! <= ts) count++;
    return count;
  }

  value(): number | undefined {
    const { kind } = this.#measure;
    if (this.#ts.length === 0) return kind === 'count' ? 0 : undefined;
    switch (this.#measure.kind) {
      case 'quantile':
        return quantileOf(this.#sorted!, this.#measure.q);
      case 'avg':
        return meanOf(this.#values);
      case 'count':
        return this.#ts.length;
      default:
        return measured(this.#measure, this.#summary());
    }
  }

  moveTime(move: TimeMove): void {
    this.#ts = this.#ts.map((ts) => movedPast(ts, move));
  }

  #summary(): Summary {
    const summary = summaryOf(this.#ts[0]!, this.#values[0]!);
    if (isDifference(this.#measure)) {
      const end = this.#ts.length - 1;
      return { ...summary, count: this.#ts.length, lastTs: this.#ts[end]!, last: this.#values[end]! };
    }
    for (let at = 1; at < this.#ts.length; at++) addTo(summary, this.#ts[at]!, this.#values[at]!);
    return summary;
  }
}

/** From the first value on, so that a value that does not change is its own mean, to the last bit. */
function meanOf(values: readonly number[]): number {
  const base = values[0]!;
  let off = 0;
  for (let at = 1; at < values.length; at++) off += values[at]! - base;
  return base + off / values.length;
}

/** Where the first of the values is that are not less. */
function placeOf(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
