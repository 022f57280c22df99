/** The columns of a batch of readings: for each series its times and its values, each packed by itself. */
import { isTimestamp } from '../reading.ts';
import { BatchError } from './batch-error.ts';
import type { CborValue, TypedColumn } from './cbor.ts';
import { type Columns, SERIES_MAX } from './columns.ts';
import { isCount, malformed } from './fields.ts';
import { packColumn, unpackColumn } from './packed.ts';
import { fillVersion1 } from './readings-v1.ts';
import { decodeSeries, decodeStrings, encodeSeries } from './series.ts';

export function encodeReadings(columns: Columns): { [key: string]: CborValue } {
  const { series, index, ts, values, strings } = columns;
  const first = ts[0] ?? 0;
  const times = bySeries(columns, (i) => ts[i]! - first);
  const map: { [key: string]: CborValue } = {
    n: index.length,
    t: first,
    s: series.map(encodeSeries),
    i: narrowIndex(index, series.length),
    d: times.map(packColumn),
    x: bySeries(columns, (i) => values[i]!).map(packColumn),
  };
  if (strings.length > 0) map.w = strings;
  return map;
}

/** @throws {BatchError} */
export function decodeReadings(map: { [key: string]: CborValue }, version: 1 | 2, itemsMax: number): Columns {
  const count = map.n;
  if (!isCount(count, itemsMax) || count === 0) throw malformed('n', `1 to ${itemsMax} readings`, count);
  if (!isTimestamp(map.t)) throw malformed('t', 'milliseconds since epoch', map.t);
  if (!Array.isArray(map.s) || map.s.length === 0 || map.s.length > SERIES_MAX)
    throw malformed('s', 'a series list', map.s);
  const columns: Columns = {
    series: map.s.map(decodeSeries),
    index: new Uint16Array(count),
    ts: new Float64Array(count),
    values: new Float64Array(count),
    strings: decodeStrings(map.w),
  };
  if (version === 1) fillVersion1(columns, map, map.t);
  else fill(columns, map, map.t);
  verify(columns);
  return columns;
}

function fill(columns: Columns, map: { [key: string]: CborValue }, first: number): void {
  const { series, index, ts, values } = columns;
  const count = index.length;
  const { i } = map;
  if (!(i instanceof Uint8Array || i instanceof Uint16Array)) throw malformed('i', 'a typed array', i);
  if (i.length === count) index.set(i);
  else if (i.length !== 1 || series.length !== 1 || i[0] !== 0)
    throw new BatchError('malformed', `i: ${i.length} elements for ${count}`);
  const counts = new Uint32Array(series.length);
  for (const at of index) {
    if (at >= series.length) throw new BatchError('value', `i: no series ${at}`);
    counts[at]!++;
  }
  const times = partsOf(map.d, 'd', counts);
  const parts = partsOf(map.x, 'x', counts);
  const taken = new Uint32Array(series.length);
  for (let at = 0; at < count; at++) {
    const of = index[at]!;
    const next = taken[of]!++;
    ts[at] = first + times[of]![next]!;
    values[at] = parts[of]![next]!;
  }
}

function partsOf(list: CborValue | undefined, key: string, counts: Uint32Array): Float64Array[] {
  if (!Array.isArray(list) || list.length !== counts.length)
    throw malformed(key, `a column for each of ${counts.length} series`, list);
  return list.map((value, at) => {
    const numbers = unpackColumn(value, counts[at]!);
    if (numbers === undefined) throw malformed(`${key}[${at}]`, `a column of ${counts[at]}`, value);
    return numbers;
  });
}

/** The same column by series, in order. */
function bySeries({ series, index }: Columns, valueAt: (i: number) => number): Float64Array[] {
  const counts = new Uint32Array(series.length);
  for (const at of index) counts[at]!++;
  const parts = series.map((_, at) => new Float64Array(counts[at]!));
  const taken = new Uint32Array(series.length);
  for (let i = 0; i < index.length; i++) {
    const of = index[i]!;
    parts[of]![taken[of]!++] = valueAt(i);
  }
  return parts;
}

function narrowIndex(index: Uint16Array, series: number): TypedColumn {
  if (series === 1) return new Uint8Array(1);
  return series <= 256 ? new Uint8Array(index) : index;
}

function verify(columns: Columns): void {
  const { series, index, ts, values, strings } = columns;
  for (let i = 0; i < index.length; i++) {
    const entry = series[index[i]!];
    if (entry === undefined) throw new BatchError('value', `reading ${i}: no series ${index[i]}`);
    if (!isTimestamp(ts[i])) throw new BatchError('value', `reading ${i}: time ${ts[i]} is out of range`);
    const value = values[i]!;
    if (entry.kind === 'number') {
      if (!Number.isFinite(value)) throw new BatchError('value', `reading ${i}: ${value} is not a finite number`);
    } else if (entry.kind === 'boolean') {
      if (value !== 0 && value !== 1) throw new BatchError('value', `reading ${i}: ${value} is not a boolean`);
    } else if (strings[value] === undefined) throw new BatchError('value', `reading ${i}: no text ${value}`);
  }
}
