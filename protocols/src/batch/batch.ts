/**
 * The uplink message: one CBOR map. `protocols/README.md` is the specification; this is its code.
 *
 *     { v: 1, e: epoch, q: seq, n: count, t: first ts, s: series, i: index, d: deltas, x: values, w?: strings }   readings
 *     { v: 1, e: epoch, q: seq, a: [transition, …] }                                                              alerts
 *     { v: 1, e: epoch, q: seq, r: [report as JSON, …] }                                                          reports
 *
 * A lane numbers its items (readings, alert transitions, or reports) from 0 upwards within an epoch. A batch carries the
 * items `seq` … `seq + count - 1`, so the same items may be cut into other batches when they are sent again, and a
 * missing range counts exactly what was lost.
 */
import type { AlertTransition } from '../alert/transition.ts';
import { byteLength, isLabel, isName, isTimestamp, LABEL_BYTES_MAX, TEXT_BYTES_MAX } from '../reading.ts';
import { encodeReport, REPORTS_PER_BATCH_MAX, type Report } from '../report/report.ts';
import { BatchError } from './batch-error.ts';
import { CborError, type CborValue, decodeCbor, encodeCbor, type TypedColumn } from './cbor.ts';
import { type Columns, SERIES_MAX, type Series, type ValueKind } from './columns.ts';
import { alertItems, itemsBetween, type RefusedItem, reportItems } from './items.ts';

export const BATCH_VERSION = 1;

export interface BatchHead {
  /** One life of the agent's outbox: a random word made when the outbox is made. */
  epoch: string;
  /** Number of the first item within (device, lane, epoch). */
  seq: number;
  /** Items in the batch. */
  count: number;
}

export type Batch =
  | (BatchHead & { kind: 'readings'; columns: Columns })
  | (BatchHead & {
      kind: 'alerts';
      /** In order; `count` less those refused. */
      alerts: AlertTransition[];
      /** In order; absent when there are none. A batch that is to be sent has none. */
      refused?: RefusedItem[];
    })
  | (BatchHead & { kind: 'reports'; reports: Report[]; refused?: RefusedItem[] });

export interface BatchLimits {
  /** Payload bytes; AWS IoT Core takes 128 KiB. */
  bytesMax: number;
  /** Items; bounds what a constant column of a few bytes can claim. */
  itemsMax: number;
}

export const BATCH_LIMITS: BatchLimits = { bytesMax: 131_072, itemsMax: 65_536 };

const EPOCH_PATTERN = /^[A-Za-z0-9_-]{1,32}$/;
const KINDS: readonly ValueKind[] = ['number', 'boolean', 'string'];

export function encodeBatch(batch: Batch): Uint8Array<ArrayBuffer> {
  const head = { v: BATCH_VERSION, e: batch.epoch, q: batch.seq };
  if (batch.kind === 'alerts') return encodeCbor({ ...head, a: batch.alerts as unknown as CborValue[] });
  if (batch.kind === 'reports') return encodeCbor({ ...head, r: batch.reports.map(encodeReport) });
  const { columns } = batch;
  const map: { [key: string]: CborValue } = {
    ...head,
    n: columns.index.length,
    t: columns.ts[0] ?? 0,
    s: columns.series.map(encodeSeries),
    i: shrinkIndex(columns.index),
    d: shrink(deltas(columns.ts)),
    x: shrink(columns.values),
  };
  if (columns.strings.length > 0) map.w = columns.strings;
  return encodeCbor(map);
}

/**
 * A batch of alerts, or of reports, comes without those that are none: the others of the batch are sound.
 *
 * @throws {BatchError} whose code says why; of readings nothing is returned in part.
 */
export function decodeBatch(bytes: Uint8Array, limits: BatchLimits = BATCH_LIMITS): Batch {
  if (bytes.length > limits.bytesMax)
    throw new BatchError('too-large', `${bytes.length} bytes, over ${limits.bytesMax}`);
  const map = decodeMap(bytes, limits);
  if (map.v !== BATCH_VERSION) {
    throw new BatchError('version', `batch version ${describe(map.v)}, this end speaks ${BATCH_VERSION}`);
  }
  const epoch = map.e;
  const seq = map.q;
  if (typeof epoch !== 'string' || !EPOCH_PATTERN.test(epoch)) throw malformed('e', 'an epoch word', epoch);
  if (!isCount(seq, Number.MAX_SAFE_INTEGER - limits.itemsMax)) throw malformed('q', 'a sequence number', seq);
  if (map.a !== undefined) {
    const { count, sound, refused } = alertItems(listOf(map.a, 'a', 'a list of alert transitions'));
    return { kind: 'alerts', epoch, seq, count, alerts: sound, ...(refused.length > 0 && { refused }) };
  }
  if (map.r !== undefined) {
    const list = listOf(map.r, 'r', 'a list of reports');
    if (list.length > REPORTS_PER_BATCH_MAX)
      throw new BatchError('too-large', `${list.length} reports, over ${REPORTS_PER_BATCH_MAX}`);
    const { count, sound, refused } = reportItems(list);
    return { kind: 'reports', epoch, seq, count, reports: sound, ...(refused.length > 0 && { refused }) };
  }
  const columns = decodeColumns(map, limits);
  return { kind: 'readings', epoch, seq, count: columns.index.length, columns };
}

function decodeMap(bytes: Uint8Array, limits: BatchLimits): { [key: string]: CborValue } {
  try {
    const value = decodeCbor(bytes, { depthMax: 5, itemsMax: limits.itemsMax });
    if (isMap(value)) return value;
  } catch (error) {
    if (error instanceof CborError) throw new BatchError(error.code, `CBOR: ${error.message}`);
    throw error;
  }
  throw new BatchError('malformed', 'a batch is a CBOR map');
}

function listOf(value: CborValue, key: string, wanted: string): CborValue[] {
  if (Array.isArray(value) && value.length > 0) return value;
  throw malformed(key, wanted, value);
}

/** The alerts at the positions `from` (inclusive) to `to` (exclusive) of a batch. */
export function alertsBetween(batch: Batch & { kind: 'alerts' }, from: number, to: number): AlertTransition[] {
  return itemsBetween(batch.alerts, batch.refused ?? [], from, to);
}

export function reportsBetween(batch: Batch & { kind: 'reports' }, from: number, to: number): Report[] {
  return itemsBetween(batch.reports, batch.refused ?? [], from, to);
}

function decodeColumns(map: { [key: string]: CborValue }, limits: BatchLimits): Columns {
  const count = map.n;
  if (!isCount(count, limits.itemsMax) || count === 0) throw malformed('n', `1 to ${limits.itemsMax} readings`, count);
  if (!isTimestamp(map.t)) throw malformed('t', 'milliseconds since epoch', map.t);
  if (!Array.isArray(map.s) || map.s.length === 0 || map.s.length > SERIES_MAX)
    throw malformed('s', 'a series list', map.s);
  const series = map.s.map(decodeSeries);
  const strings = decodeStrings(map.w);
  const columns: Columns = {
    series,
    index: new Uint16Array(count),
    ts: new Float64Array(count),
    values: new Float64Array(count),
    strings,
  };
  fill(columns.index, column(map.i, 'i', count, series.length === 1));
  fill(columns.values, column(map.x, 'x', count, true));
  integrate(columns.ts, map.t, count === 1 ? null : column(map.d, 'd', count - 1, true));
  verify(columns);
  return columns;
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

function encodeSeries(series: Series): CborValue[] {
  const entry: CborValue[] = [series.sensor, series.metric, KINDS.indexOf(series.kind)];
  if (series.unit !== undefined || series.quality !== undefined) entry.push(series.unit ?? null);
  if (series.quality !== undefined) entry.push(series.quality);
  return entry;
}

function decodeSeries(entry: CborValue, at: number): Series {
  if (!Array.isArray(entry) || entry.length < 3 || entry.length > 5) throw malformed(`s[${at}]`, 'a series', entry);
  const [sensor, metric, kindNumber, unit, quality] = entry;
  const kind = typeof kindNumber === 'number' ? KINDS[kindNumber] : undefined;
  if (typeof sensor !== 'string' || !isName(sensor)) throw malformed(`s[${at}]`, 'a sensor name', sensor);
  if (typeof metric !== 'string' || !isName(metric)) throw malformed(`s[${at}]`, 'a metric name', metric);
  if (kind === undefined) throw malformed(`s[${at}]`, 'a value kind 0, 1 or 2', kindNumber);
  const series: Series = { sensor, metric, kind };
  if (unit !== undefined && unit !== null) series.unit = shortText(unit, `s[${at}] unit`);
  if (quality !== undefined && quality !== null) series.quality = shortText(quality, `s[${at}] quality`);
  return series;
}

function shortText(value: CborValue, where: string): string {
  if (isLabel(value)) return value;
  throw malformed(where, `a text of 1 to ${LABEL_BYTES_MAX} bytes`, value);
}

function decodeStrings(list: CborValue | undefined): string[] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw malformed('w', 'a list of texts', list);
  for (const text of list) {
    if (typeof text !== 'string' || byteLength(text) > TEXT_BYTES_MAX) {
      throw new BatchError('value', `w: a text of at most ${TEXT_BYTES_MAX} bytes wanted, found ${describe(text)}`);
    }
  }
  return list as string[];
}

/** A column has one element for each reading, or a single one that holds for all. */
function column(value: CborValue | undefined, key: string, count: number, constantAllowed: boolean): TypedColumn {
  if (!ArrayBuffer.isView(value)) throw malformed(key, 'a typed array', value);
  if (value.length === count || (constantAllowed && value.length === 1)) return value;
  throw new BatchError('malformed', `${key}: ${value.length} elements for ${count}`);
}

/** A NaN that the target can hold is left to {@link verify}. */
function fill(target: Uint16Array | Float64Array, source: TypedColumn): void {
  if (source.length === target.length) {
    for (let i = 0; i < target.length; i++) {
      target[i] = source[i]!;
      if (target[i] !== source[i] && !Number.isNaN(target[i]))
        throw new BatchError('value', `element ${i}: ${source[i]} is out of range`);
    }
    return;
  }
  target.fill(source[0]!);
  if (target[0] !== source[0] && !Number.isNaN(target[0]))
    throw new BatchError('value', `element 0: ${source[0]} is out of range`);
}

function integrate(ts: Float64Array, first: number, steps: TypedColumn | null): void {
  ts[0] = first;
  if (steps === null) return;
  const constant = steps.length === 1;
  for (let i = 1; i < ts.length; i++) ts[i] = ts[i - 1]! + steps[constant ? 0 : i - 1]!;
}

function deltas(ts: Float64Array): Float64Array {
  const steps = new Float64Array(Math.max(ts.length - 1, 0));
  for (let i = 1; i < ts.length; i++) steps[i - 1] = ts[i]! - ts[i - 1]!;
  return steps;
}

function shrinkIndex(index: Uint16Array): TypedColumn {
  let max = 0;
  for (const at of index) if (at > max) max = at;
  if (max === 0 && index.length > 0) return new Uint8Array(1);
  return max < 256 ? Uint8Array.from(index) : index;
}

/** The narrowest array type that holds every number exactly; one element when all are equal. */
function shrink(numbers: Float64Array): TypedColumn {
  let constant = true;
  let integral = true;
  let single = true;
  let low = 0;
  let high = 0;
  const first = numbers[0];
  for (const number of numbers) {
    if (!Object.is(number, first)) constant = false;
    if (!Number.isInteger(number) || Object.is(number, -0)) integral = false;
    if (Math.fround(number) !== number) single = false;
    if (number < low) low = number;
    if (number > high) high = number;
  }
  const kept = constant ? numbers.subarray(0, 1) : numbers;
  if (integral) {
    if (low >= -0x80 && high <= 0x7f) return Int8Array.from(kept);
    if (low >= -0x8000 && high <= 0x7fff) return Int16Array.from(kept);
    if (low >= -0x8000_0000 && high <= 0x7fff_ffff) return Int32Array.from(kept);
  }
  return single ? Float32Array.from(kept) : kept;
}

function isMap(value: CborValue): value is { [key: string]: CborValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function isCount(value: CborValue | undefined, max: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max;
}

function malformed(key: string, wanted: string, found: CborValue | undefined): BatchError {
  return new BatchError('malformed', `${key}: ${wanted} wanted, found ${describe(found)}`);
}

function describe(value: CborValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (ArrayBuffer.isView(value)) return 'a typed array';
  if (typeof value === 'number') return String(value);
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
