/**
 * What devices have given up, as they report it: sums for ever, however many reports there were.
 *
 *     table `gap-counts` · partition device · sort `all` · json: { "<lane>": { "<reason>": items, … }, … }
 */
import type { GapReason, GapReport, Lane } from '@weir/protocols';
import type { ItemKey, Store } from '../store/store.ts';
import type { ReportHandler } from '../workers/reports.ts';

type GapCounts = { [L in Lane]?: { [R in GapReason]?: number } };

const keyOf = (device: string): ItemKey => ({ table: 'gap-counts', partition: device, sort: 'all' });

export const gapsReported: ReportHandler<GapReport> = async (reports, { device, store }) => {
  const counts = await readGapCounts(store, device);
  for (const { lane, reason, count } of reports) {
    counts[lane] = { ...counts[lane], [reason]: (counts[lane]?.[reason] ?? 0) + count };
  }
  return { changes: [{ put: keyOf(device), json: counts }] };
};

async function readGapCounts(store: Store, device: string): Promise<GapCounts> {
  return ((await store.get(keyOf(device)))?.json ?? {}) as GapCounts;
}
