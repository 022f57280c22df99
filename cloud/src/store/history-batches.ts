/**
 * History in the batches in which it is kept, for whoever goes through much of it: nothing is decoded but where only some
 * series are wanted.
 */
import { decodeBatch, encodeBatch } from '@weir/protocols';
import type { SeriesFilter } from '@weir/runtime';
import { type ChunkHead, HISTORY_TABLE, readSpan, timeKey, WIDE } from './history.ts';
import { ITEM_BYTES_MAX, type Item, type Store } from './store.ts';

export interface HistoryBatch {
  lane: string;
  epoch: string;
  /** Number of the first reading; what is left of a batch of which only some series are wanted keeps it. */
  seq: number;
  /** No reading of it, nor of any batch behind it, is earlier, ms; of a wide one: of itself alone. */
  from: number;
  /** Of times too wild to be among the others. */
  wide?: true;
  /** When it came, by the hub's clock; absent in what is older than retention. */
  at?: number;
  /** An encoded batch. */
  bytes: Uint8Array;
}

export interface HistoryBatchQuery {
  /** Absent: all. */
  series?: SeriesFilter | undefined;
  /** Event time, ms: batches that have something from it (inclusive) … */
  from?: number | undefined;
  /** … to (exclusive). At either end there may be more. */
  to?: number | undefined;
  /** `next` of the page before. */
  after?: string | undefined;
}

/** A page is full with so many bytes, or once so many batches were looked at: a hub that is asked goes on with its work. */
const PAGE_BYTES = 1_048_576;
const PAGE_LOOKED_AT = 2_000;
const READ = 500;

/** Batches of wild times first, then in order of their lowest times. */
export async function readHistoryBatches(
  store: Store,
  device: string,
  query: HistoryBatchQuery,
): Promise<{ batches: HistoryBatch[]; next?: string }> {
  const batches: HistoryBatch[] = [];
  let bytes = 0;
  let lookedAt = 0;
  for await (const item of itemsOf(store, device, query)) {
    if (bytes >= PAGE_BYTES || lookedAt >= PAGE_LOOKED_AT) return { batches, next: item.sort };
    lookedAt++;
    const batch = batchOf(item, query.series);
    if (batch === undefined) continue;
    batches.push(batch);
    bytes += batch.bytes.length;
  }
  return { batches };
}

async function* itemsOf(store: Store, device: string, query: HistoryBatchQuery): AsyncGenerator<Item> {
  const { from = 0, to, after } = query;
  const end = to === undefined ? '~' : timeKey(to);
  if (after === undefined || after.startsWith(WIDE))
    yield* between(store, device, after ?? WIDE, `${WIDE}${end}`, from);
  const first = after === undefined || after.startsWith(WIDE) ? timeKey(from - (await readSpan(store, device))) : after;
  yield* between(store, device, first, to === undefined ? WIDE : end, from);
}

async function* between(store: Store, device: string, from: string, to: string, tsMin: number): AsyncGenerator<Item> {
  let after: string | undefined;
  do {
    const page = await store.query({
      ...{ table: HISTORY_TABLE, partition: device, from, to, limit: READ },
      ...(after !== undefined && { after }),
    });
    for (const item of page.items) if ((item.json as ChunkHead).maxTs >= tsMin) yield item;
    after = page.next;
  } while (after !== undefined);
}

function batchOf(item: Item, series: SeriesFilter | undefined): HistoryBatch | undefined {
  const bytes = series === undefined ? item.bytes! : partOf(item, series);
  if (bytes === undefined) return undefined;
  const [lane, epoch, seq] = item.sort.split('/').slice(-3) as [string, string, string];
  const { minTs, at } = item.json as ChunkHead;
  const batch = { lane, epoch, seq: Number(seq), from: minTs, bytes };
  return {
    ...batch,
    ...(item.sort.startsWith(WIDE) && { wide: true }),
    ...(at !== undefined && { at }),
  };
}

/** Undefined: none of its series is wanted. */
function partOf(item: Item, series: SeriesFilter): Uint8Array | undefined {
  const batch = decodeBatch(item.bytes!, { bytesMax: ITEM_BYTES_MAX, itemsMax: 1_000_000 });
  if (batch.kind !== 'readings') return undefined;
  const part = series.select(batch.columns);
  if (part === undefined || part === batch.columns) return part && item.bytes;
  return encodeBatch({ ...batch, count: part.index.length, columns: part });
}
