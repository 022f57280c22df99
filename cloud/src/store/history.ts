/**
 * What devices measured, as it came: one item for each batch.
 *
 *     table `history` · partition device · sort [wide/]<lowest ts, 15 digits>/<lane>/<epoch>/<seq, 16 digits>
 *     bytes: an encoded batch · json: { count, minTs, maxTs, at }    at: when it came
 *     table `history-span` · partition device · sort `span` · json: { ms }    the longest time that one item covers
 *
 * An item is found by its lowest time, so a search starts as much earlier as the longest item of the device is long.
 * An item is cut where it would cover more than hours. The few whose times are too wild for that are `wide`, and
 * every search looks at them all: a clock that is wrong must not make each search begin decades earlier.
 * The key of an item derives from what is in it: writing it again changes nothing.
 */
import { type Columns, columnsOf, decodeBatch, encodeBatch, type Reading, readingAt } from '@weir/protocols';
import { type Change, ITEM_BYTES_MAX, type Item, type Store } from './store.ts';

/** Lane and epoch under which the readings are kept that functions emit in the cloud. */
export const CLOUD_LANE = 'cloud';
export const CLOUD_EPOCH = 'hub';

export interface HistoryChunk {
  device: string;
  lane: string;
  epoch: string;
  /** Number of the first reading. */
  seq: number;
  columns: Columns;
  /** When it came, ms since epoch. */
  at?: number;
  /** The chunk, already encoded. */
  encoded?: Uint8Array;
}

export interface HistoryReading extends Reading {
  /** `<device>/<lane>/<epoch>/<seq>`: no two readings have the same. */
  id: string;
}

export interface HistoryQuery {
  sensor?: string;
  metric?: string;
  /** Event time, ms: from (inclusive) … */
  from?: number;
  /** … to (exclusive). */
  to?: number;
}

export interface HistoryPage {
  /**
   * In order of the batches' lowest times, those of wild times last; within a batch as they arrived. A page may be
   * empty and yet have a next.
   */
  readings: HistoryReading[];
  next?: string;
}

export const HISTORY_TABLE = 'history';
const SPAN_TABLE = 'history-span';
const TS_DIGITS = 15;
const SEQ_DIGITS = 16;
/** A backlog of slow sensors is cut into items of this length, so that a search need not start days earlier. */
export const SPAN_MS_MAX = 6 * 3_600_000;
/** Sorts behind all times. */
export const WIDE = 'wide/';
/** Items made of one batch at most, however wild its times. */
const CHUNKS_MAX = 8;
/** Room for the item's JSON and key beside its bytes. */
const CHUNK_BYTES_MAX = ITEM_BYTES_MAX - 1024;
const PAGE_READINGS = 1000;
/** Items read for one page at most, so that a search for a rare sensor answers in time. */
const PAGE_ITEMS_MAX = 256;

/** @returns the items' changes, and the longest time one of them covers, ms: {@link SPAN_MS_MAX} at most. */
export function historyChanges(chunk: HistoryChunk): { changes: Change[]; spanMs: number } {
  const changes: Change[] = [];
  let spanMs = 0;
  for (const part of partsOf(chunk)) {
    const [minTs, maxTs] = timesOf(part.columns);
    const isWide = maxTs - minTs > SPAN_MS_MAX;
    if (!isWide) spanMs = Math.max(spanMs, maxTs - minTs);
    const count = part.columns.index.length;
    const sort = `${isWide ? WIDE : ''}${timeKey(minTs)}/${part.lane}/${part.epoch}/${pad(part.seq, SEQ_DIGITS)}`;
    changes.push({
      put: { table: HISTORY_TABLE, partition: part.device, sort },
      json: { count, minTs, maxTs, ...(part.at !== undefined && { at: part.at }) },
      bytes: part.encoded ?? encode(part),
    });
  }
  return { changes, spanMs };
}

export function spanChange(device: string, spanMs: number): Change {
  return { put: { table: SPAN_TABLE, partition: device, sort: 'span' }, json: { ms: spanMs } };
}

export async function readSpan(store: Store, device: string): Promise<number> {
  const item = await store.get({ table: SPAN_TABLE, partition: device, sort: 'span' });
  return (item?.json as { ms: number } | undefined)?.ms ?? 0;
}

/** @param options.after `next` of the page before; `limit` readings at most, default 1000 */
export async function readHistory(
  store: Store,
  device: string,
  options: HistoryQuery & { limit?: number; after?: string } = {},
): Promise<HistoryPage> {
  const limit = options.limit ?? PAGE_READINGS;
  const readings: HistoryReading[] = [];
  const resume = parseCursor(options.after);
  let items = 0;
  for await (const item of itemsOf(store, device, options, resume?.sort)) {
    const skipped = item.sort === resume?.sort ? resume.offset : 0;
    if (++items > PAGE_ITEMS_MAX) return { readings, next: cursor(item.sort, skipped) };
    const { lane, epoch, seq } = parseSort(item.sort);
    const columns = columnsIn(item);
    for (let i = skipped; i < columns.index.length; i++) {
      if (!matches(columns, i, options)) continue;
      if (readings.length === limit) return { readings, next: cursor(item.sort, i) };
      readings.push({ id: `${device}/${lane}/${epoch}/${seq + i}`, ...readingAt(columns, i) });
    }
  }
  return { readings };
}

/** Walks every batch in the range. */
export async function countHistory(store: Store, device: string, query: HistoryQuery = {}): Promise<number> {
  let count = 0;
  const all = query.sensor === undefined && query.metric === undefined;
  for await (const item of itemsOf(store, device, query)) {
    const head = item.json as ChunkHead;
    if (all && head.minTs >= (query.from ?? 0) && head.maxTs < (query.to ?? Number.POSITIVE_INFINITY)) {
      count += head.count;
      continue;
    }
    const columns = columnsIn(item);
    for (let i = 0; i < columns.index.length; i++) if (matches(columns, i, query)) count++;
  }
  return count;
}

/** JSON of an item. */
export interface ChunkHead {
  count: number;
  minTs: number;
  maxTs: number;
  /** Absent in items of before there was retention. */
  at?: number;
}

async function* itemsOf(store: Store, device: string, query: HistoryQuery, startAt?: string): AsyncGenerator<Item> {
  if (startAt === undefined || startAt < WIDE) {
    const from = timeKey((query.from ?? 0) - (await readSpan(store, device)));
    const to = query.to === undefined ? WIDE : timeKey(query.to);
    yield* itemsBetween(store, device, startAt ?? from, to, query.from);
  }
  const to = `${WIDE}${query.to === undefined ? '~' : timeKey(query.to)}`;
  const from = startAt !== undefined && startAt > WIDE ? startAt : WIDE;
  yield* itemsBetween(store, device, from, to, query.from);
}

async function* itemsBetween(store: Store, device: string, from: string, to: string, tsMin = 0): AsyncGenerator<Item> {
  let after: string | undefined;
  do {
    const page = await store.query({
      table: HISTORY_TABLE,
      partition: device,
      from,
      to,
      ...(after !== undefined && { after }),
    });
    for (const item of page.items) if ((item.json as ChunkHead).maxTs >= tsMin) yield item;
    after = page.next;
  } while (after !== undefined);
}

/** Cuts a chunk where it would cover too long a time or take too many bytes. */
function* partsOf(chunk: HistoryChunk): Generator<HistoryChunk> {
  const { ts } = chunk.columns;
  let start = 0;
  let low = ts[0]!;
  let high = low;
  let parts = 1;
  for (let i = 1; i < ts.length; i++) {
    const nextLow = Math.min(low, ts[i]!);
    const nextHigh = Math.max(high, ts[i]!);
    if (nextHigh - nextLow > SPAN_MS_MAX && parts < CHUNKS_MAX) {
      yield* sized(slice(chunk, start, i));
      parts++;
      start = i;
      low = high = ts[i]!;
    } else {
      low = nextLow;
      high = nextHigh;
    }
  }
  yield* sized(start === 0 ? chunk : slice(chunk, start, ts.length));
}

function* sized(chunk: HistoryChunk): Generator<HistoryChunk> {
  const encoded = chunk.encoded ?? encode(chunk);
  const count = chunk.columns.index.length;
  if (encoded.length <= CHUNK_BYTES_MAX || count === 1) {
    yield { ...chunk, encoded };
    return;
  }
  yield* sized(slice(chunk, 0, count >>> 1));
  yield* sized(slice(chunk, count >>> 1, count));
}

/** Built anew, so that the dictionary holds only what the part needs. */
function slice({ columns, seq, encoded: _, ...whole }: HistoryChunk, from: number, to: number): HistoryChunk {
  const readings: Reading[] = [];
  for (let i = from; i < to; i++) readings.push(readingAt(columns, i));
  return { ...whole, seq: seq + from, columns: columnsOf(readings) };
}

/** Some items of a batch that was received in part before. */
export function sliceChunk(chunk: HistoryChunk, from: number, to: number): HistoryChunk {
  return from === 0 && to === chunk.columns.index.length ? chunk : slice(chunk, from, to);
}

function encode({ epoch, seq, columns }: HistoryChunk): Uint8Array {
  return encodeBatch({ kind: 'readings', epoch, seq, count: columns.index.length, columns });
}

function columnsIn(item: Item): Columns {
  // Written by the hub itself: checked when it came in, and no larger than an item may be.
  const batch = decodeBatch(item.bytes!, { bytesMax: ITEM_BYTES_MAX, itemsMax: 1_000_000 });
  if (batch.kind !== 'readings')
    throw new TypeError(`${item.sort} in the history of ${item.partition} has no readings`);
  return batch.columns;
}

function matches(columns: Columns, i: number, { sensor, metric, from, to }: HistoryQuery): boolean {
  const series = columns.series[columns.index[i]!]!;
  if (sensor !== undefined && series.sensor !== sensor) return false;
  if (metric !== undefined && series.metric !== metric) return false;
  const ts = columns.ts[i]!;
  return (from === undefined || ts >= from) && (to === undefined || ts < to);
}

function timesOf({ ts }: Columns): [min: number, max: number] {
  let min = ts[0]!;
  let max = min;
  for (const at of ts) {
    if (at < min) min = at;
    if (at > max) max = at;
  }
  return [min, max];
}

function parseSort(sort: string): { lane: string; epoch: string; seq: number } {
  const [lane, epoch, seq] = sort.split('/').slice(-3) as [string, string, string];
  return { lane, epoch, seq: Number(seq) };
}

function cursor(sort: string, offset: number): string {
  return `${sort}#${offset}`;
}

function parseCursor(text: string | undefined): { sort: string; offset: number } | undefined {
  if (text === undefined) return undefined;
  const at = text.lastIndexOf('#');
  const offset = Number(text.slice(at + 1));
  return { sort: at < 0 ? text : text.slice(0, at), offset: Number.isSafeInteger(offset) ? offset : 0 };
}

/** The begin of a sort key: items whose lowest time is earlier sort before it. */
export function timeKey(ts: number): string {
  return pad(ts, TS_DIGITS);
}

function pad(number: number, digits: number): string {
  return `${Math.max(0, Math.floor(number))}`.padStart(digits, '0');
}
