import type { UsageReport } from '@weir/protocols';
import { partitionOf } from '../log/log.ts';
import type { ReportHandler } from '../workers/reports.ts';
import type { UsageCounts } from './counts.ts';
import { type UsageEntry, usageChanges } from './ledger.ts';

export interface UsageReportsOptions {
  /** Of the log. */
  partitions: number;
  keepMs: number;
  counts: UsageCounts;
}

/** Adds what functions used on devices to the sums. */
export function usageReports({ partitions, keepMs, counts }: UsageReportsOptions): ReportHandler<UsageReport> {
  return async (reports, { device, store, now }) => {
    const entries = reports.map(({ type, id, ts, ...used }): UsageEntry => ({ ...used, to: ts }));
    const place = { partition: partitionOf(device, partitions), where: 'edge' as const };
    const changes = await usageChanges(store, place, entries, { now, keepMs });
    return { changes, committed: () => counts.add('edge', entries) };
  };
}
