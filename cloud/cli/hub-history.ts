/** History of a device out of the hub, page by page: the next one is on its way while one is worked on. */
import type { OverlappingBatch } from '@weir/runtime';
import type { HubClient, PageOf } from './client.ts';
import { path } from './session.ts';

interface HistoryItem {
  lane: string;
  epoch: string;
  seq: number;
  from: number;
  wide?: boolean;
  at?: number;
  batch: string;
}

export interface HistoryRange {
  /** None: all. */
  signals: readonly { sensor: string; metric: string }[];
  from: number;
  to: number;
}

export type HubBatch = OverlappingBatch & Omit<HistoryItem, 'batch'>;

/** More signals than the hub takes in one question: everything. */
const SIGNALS_MAX = 64;
const DECODE = { bytesMax: 1_000_000, itemsMax: 1_000_000 };

/** Batches of wild times first, then by their lowest times; readings at either end of the range are cut off. */
export async function* hubHistory(
  hub: HubClient,
  device: string,
  { signals, from, to }: HistoryRange,
): AsyncGenerator<HubBatch> {
  const { decodeBatch } = await import('@weir/protocols');
  const { withinTime } = await import('@weir/runtime');
  const globs = signals.map(({ sensor, metric }) => `${sensor}/${metric}`);
  const series = globs.length === 0 || globs.length > SIGNALS_MAX ? undefined : globs.join();
  const page = (after?: string) =>
    hub.get<PageOf<HistoryItem>>(path`/devices/${device}/history`, { series, from, to, after });
  let next: Promise<PageOf<HistoryItem>> | undefined = page();
  while (next !== undefined) {
    const { items, next: after }: PageOf<HistoryItem> = await next;
    next = after === undefined ? undefined : page(after);
    // Whoever stops in between leaves it alone.
    next?.catch(() => {});
    for (const { batch, ...item } of items) {
      const decoded = decodeBatch(Buffer.from(batch, 'base64'), DECODE);
      if (decoded.kind !== 'readings') continue;
      const columns = withinTime(decoded.columns, from, to);
      if (columns.index.length > 0) yield { ...item, columns };
    }
  }
}
