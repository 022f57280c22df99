import type { Report, UsageReport } from '@weir/protocols';
import { type FunctionUsage, NO_USAGE } from '@weir/runtime';
import { sentBatch } from '../outbox/sent.fixture.ts';
import type { openInMemory } from '../spool/spool.fixture.ts';

export function used(fold: string, readings: number, changes: Partial<FunctionUsage> = {}): FunctionUsage {
  return { ...NO_USAGE, fold, version: '1', memoryMb: 64, invocations: 1, readings, cpuMs: readings / 8, ...changes };
}

/** Everything that waits for the hub in the lane `report`. */
export function reportsOf(ops: ReturnType<typeof openInMemory>): UsageReport[] {
  const reports: Report[] = [];
  const cursors = { alert: 0, live: 0, report: 0, backfill: 0 };
  const room = { total: 1, others: 1, readings: 0, report: 1, backfill: 0 };
  for (;;) {
    const [batch] = ops.nextBatches(cursors, room, 0);
    if (batch === undefined) return reports as UsageReport[];
    const decoded = sentBatch(batch.payload);
    if (decoded.kind === 'reports') reports.push(...decoded.reports);
    cursors.report = batch.seq + batch.count;
  }
}
