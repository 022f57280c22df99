import type { Reading, Value } from '../reading.ts';

export type ValueKind = 'number' | 'boolean' | 'string';

/** One entry of a batch's series dictionary. A series whose kind, unit or quality changes has one entry for each. */
export interface Series {
  sensor: string;
  metric: string;
  kind: ValueKind;
  unit?: string;
  quality?: string;
}

/**
 * Readings as columns: the form in which they are journaled, handed to functions and sent.
 *
 * All three arrays have one element for each reading, in arrival order:
 *
 *     series  [ {oven1 temperature number}, {door open boolean} ]
 *     index   0      1      0       which series
 *     ts      1700…  1700…  1700…   event time, ms since epoch
 *     values  81.5   1      82.0    the number | 0 or 1 | index into `strings`, which holds each text once
 */
export interface Columns {
  series: Series[];
  index: Uint16Array;
  ts: Float64Array;
  values: Float64Array;
  strings: string[];
}

/** Index columns are 16 bits wide. */
export const SERIES_MAX = 65_535;

export function valueAt(columns: Columns, i: number): Value {
  const raw = columns.values[i]!;
  const kind = columns.series[columns.index[i]!]!.kind;
  if (kind === 'number') return raw;
  return kind === 'boolean' ? raw === 1 : columns.strings[raw]!;
}

export function readingAt(columns: Columns, i: number): Reading {
  const { sensor, metric, unit, quality } = columns.series[columns.index[i]!]!;
  const reading: Reading = { sensor, metric, value: valueAt(columns, i), ts: columns.ts[i]! };
  if (unit !== undefined) reading.unit = unit;
  if (quality !== undefined) reading.quality = quality;
  return reading;
}

export function* readingsOf(columns: Columns): Generator<Reading> {
  for (let i = 0; i < columns.index.length; i++) yield readingAt(columns, i);
}

export function columnsOf(readings: Iterable<Reading>): Columns {
  // Most often of none, with every tick of a device that is idle.
  if (Array.isArray(readings) && readings.length === 0) return noColumns();
  const builder = new ColumnsBuilder(Array.isArray(readings) ? readings.length : undefined);
  for (const reading of readings) builder.add(reading);
  return builder.take();
}

/** Copies the readings `from` (inclusive) to `to` (exclusive); the dictionary is shared, not trimmed. */
export function sliceColumns(columns: Columns, from: number, to: number): Columns {
  return {
    series: columns.series,
    index: columns.index.slice(from, to),
    ts: columns.ts.slice(from, to),
    values: columns.values.slice(from, to),
    strings: columns.strings,
  };
}

const NO_INDEX = new Uint16Array(0);
const NO_NUMBERS = new Float64Array(0);

/** There is nothing in the arrays that anybody could change. */
function noColumns(): Columns {
  return { series: [], index: NO_INDEX, ts: NO_NUMBERS, values: NO_NUMBERS, strings: [] };
}

/** One batch after another, dictionaries merged. */
export function concatColumns(parts: readonly Columns[]): Columns {
  if (parts.length === 0) return noColumns();
  if (parts.length === 1) return parts[0]!;
  let count = 0;
  for (const part of parts) count += part.index.length;
  const merged: Columns = {
    series: [],
    index: new Uint16Array(count),
    ts: new Float64Array(count),
    values: new Float64Array(count),
    strings: [],
  };
  const dictionary = new SeriesDictionary(merged.series);
  const texts = new TextDictionary(merged.strings);
  let at = 0;
  for (const part of parts) {
    const indexOf = part.series.map((series) => dictionary.indexOf(series));
    const textAt = part.strings.map((text) => texts.indexOf(text));
    merged.ts.set(part.ts, at);
    merged.values.set(part.values, at);
    for (let i = 0; i < part.index.length; i++, at++) {
      const series = part.index[i]!;
      merged.index[at] = indexOf[series]!;
      if (part.series[series]!.kind === 'string') merged.values[at] = textAt[part.values[i]!]!;
    }
  }
  return merged;
}

/** Collects readings one by one; `take` hands the columns over and starts anew. */
export class ColumnsBuilder {
  #capacity: number;
  #count = 0;
  #series: Series[] = [];
  #dictionary = new SeriesDictionary(this.#series);
  #strings: string[] = [];
  #texts = new TextDictionary(this.#strings);
  #index: Uint16Array;
  #ts: Float64Array;
  #values: Float64Array;

  constructor(capacity = 64) {
    this.#capacity = capacity;
    this.#index = new Uint16Array(capacity);
    this.#ts = new Float64Array(capacity);
    this.#values = new Float64Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  /** A batch can hold no more than {@link SERIES_MAX} different series. */
  get full(): boolean {
    return this.#series.length >= SERIES_MAX;
  }

  add(reading: Reading): void {
    const kind = typeof reading.value as ValueKind;
    const series = this.#dictionary.indexOfParts(reading.sensor, reading.metric, kind, reading.unit, reading.quality);
    if (this.#count === this.#capacity) this.#grow();
    const at = this.#count++;
    this.#index[at] = series;
    this.#ts[at] = reading.ts;
    if (kind === 'number') this.#values[at] = reading.value as number;
    else if (kind === 'boolean') this.#values[at] = reading.value ? 1 : 0;
    else this.#values[at] = this.#texts.indexOf(reading.value as string);
  }

  take(): Columns {
    const count = this.#count;
    const columns: Columns = {
      series: this.#series,
      index: this.#index.slice(0, count),
      ts: this.#ts.slice(0, count),
      values: this.#values.slice(0, count),
      strings: this.#strings,
    };
    this.#count = 0;
    this.#series = [];
    this.#dictionary = new SeriesDictionary(this.#series);
    this.#strings = [];
    this.#texts = new TextDictionary(this.#strings);
    return columns;
  }

  #grow(): void {
    this.#capacity *= 2;
    const grown = <T extends Uint16Array | Float64Array>(into: T, from: T): T => {
      into.set(from);
      return into;
    };
    this.#index = grown(new Uint16Array(this.#capacity), this.#index);
    this.#ts = grown(new Float64Array(this.#capacity), this.#ts);
    this.#values = grown(new Float64Array(this.#capacity), this.#values);
  }
}

/** A state word repeats: each is kept and sent once. */
class TextDictionary {
  #texts: string[];
  #at = new Map<string, number>();

  constructor(texts: string[]) {
    this.#texts = texts;
  }

  indexOf(text: string): number {
    let at = this.#at.get(text);
    if (at === undefined) {
      at = this.#texts.push(text) - 1;
      this.#at.set(text, at);
    }
    return at;
  }
}

/** So many are looked through one by one, in the time that it takes to make a key. */
const FEW_MAX = 8;

/**
 * One metric of a sensor: in one kind and one unit nearly always, and as often as there are readings where a sensor puts a
 * counter into the quality.
 */
class Variants {
  #list: { at: number; series: Series }[] = [];
  /** Undefined: they are few. */
  #places: Map<string, number> | undefined;

  /** @returns undefined: it is a new one */
  find(kind: ValueKind, unit: string | undefined, quality: string | undefined): number | undefined {
    if (this.#places !== undefined) return this.#places.get(keyOf(kind, unit, quality));
    for (const { at, series } of this.#list) {
      if (series.kind === kind && series.unit === unit && series.quality === quality) return at;
    }
    return undefined;
  }

  add(at: number, series: Series): void {
    if (this.#places === undefined) {
      this.#list.push({ at, series });
      if (this.#list.length <= FEW_MAX) return;
      this.#places = new Map(this.#list.map((each) => [keyOfSeries(each.series), each.at]));
      this.#list = [];
    } else this.#places.set(keyOfSeries(series), at);
  }
}

function keyOfSeries({ kind, unit, quality }: Series): string {
  return keyOf(kind, unit, quality);
}

function keyOf(...variant: [kind: ValueKind, unit: string | undefined, quality: string | undefined]): string {
  return JSON.stringify(variant);
}

class SeriesDictionary {
  #series: Series[];
  #bySensor = new Map<string, Map<string, Variants>>();

  constructor(series: Series[]) {
    this.#series = series;
  }

  indexOf(series: Series): number {
    return this.indexOfParts(series.sensor, series.metric, series.kind, series.unit, series.quality);
  }

  indexOfParts(sensor: string, metric: string, kind: ValueKind, unit?: string, quality?: string): number {
    let metrics = this.#bySensor.get(sensor);
    if (!metrics) {
      metrics = new Map();
      this.#bySensor.set(sensor, metrics);
    }
    let variants = metrics.get(metric);
    if (!variants) {
      variants = new Variants();
      metrics.set(metric, variants);
    }
    const known = variants.find(kind, unit, quality);
    if (known !== undefined) return known;
    if (this.#series.length >= SERIES_MAX) throw new RangeError(`more than ${SERIES_MAX} series in one batch`);
    const series: Series = { sensor, metric, kind };
    if (unit !== undefined) series.unit = unit;
    if (quality !== undefined) series.quality = quality;
    const at = this.#series.push(series) - 1;
    variants.add(at, series);
    return at;
  }
}
