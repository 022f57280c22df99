import type { Json } from '@weir/protocols';

/**
 * Quantiles of more values than are kept: levels of values, each of which stands for twice as many as one of the level
 * below. A level that is full is sorted and every second of it goes up, now the odd ones and now the even ones
 * (Munro and Paterson; KLL without its dice, for a fold draws no lots). It is exact up to {@link LEVEL_MAX} values; of n
 * beyond it the rank is off by at most log2(n / LEVEL_MAX) / LEVEL_MAX, and by a tenth of that as a rule.
 */
export class Sketch {
  #levels: number[][];
  /** Which of two neighbours goes up next, by level. */
  #odd: boolean[];

  constructor(levels: number[][] = [[]], odd: boolean[] = []) {
    this.#levels = levels;
    this.#odd = odd;
  }

  add(value: number): void {
    this.#levels[0]!.push(value);
    for (let at = 0; this.#levels[at]!.length >= LEVEL_MAX; at++) this.#compact(at);
  }

  /** Adds its values to a list, each with how many it stands for. */
  collect(into: Weighted[]): void {
    this.#levels.forEach((values, level) => {
      for (const value of values) into.push([value, 2 ** level]);
    });
  }

  /** Nothing will be added any more: so many values at equal distances by rank stand for all, and are off by 1/64 more. */
  closed(): Closed {
    const values: Weighted[] = [];
    this.collect(values);
    const total = values.reduce((sum, [, weight]) => sum + weight, 0);
    const count = Math.min(total, CLOSED_MAX);
    const points = Array.from({ length: count }, (_, at) => weightedQuantile(values, (at + 0.5) / count));
    return { weight: total / count, values: points.map((value) => Number(value.toPrecision(DIGITS))) };
  }

  get state(): Json {
    return [this.#levels, this.#odd.map(Number)];
  }

  static from(state: Json): Sketch {
    const [levels, odd] = state as [number[][], number[]];
    return new Sketch(levels, odd.map(Boolean));
  }

  #compact(level: number): void {
    const values = this.#levels[level]!.sort((a, b) => a - b);
    const odd = this.#odd[level] ?? false;
    this.#odd[level] = !odd;
    this.#levels[level + 1] ??= [];
    const up = this.#levels[level + 1]!;
    for (let at = odd ? 1 : 0; at < values.length; at += 2) up.push(values[at]!);
    this.#levels[level] = [];
  }
}

/** Values, each of which stands for so many. */
export interface Closed {
  weight: number;
  values: number[];
}

export type Weighted = [value: number, weight: number];

/** The value below which that share of the weight lies. @param values at least one; sorted by this */
export function weightedQuantile(values: Weighted[], q: number): number {
  values.sort(([a], [b]) => a - b);
  const total = values.reduce((sum, [, weight]) => sum + weight, 0);
  let left = q * (total - 1);
  for (const [value, weight] of values) {
    if (left < weight) return value;
    left -= weight;
  }
  return values.at(-1)![0];
}

/** Of a bucket that is over. */
const CLOSED_MAX = 32;
const DIGITS = 8;

/** Even, so that a level goes up without a rest. */
const LEVEL_MAX = 32;
