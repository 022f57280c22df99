import type { GapReport } from '@weir/protocols';
import type { ReportHandler } from '../workers/reports.ts';

/** What devices give up is kept with what was received of them, and committed with it. */
export const gapsReported: ReportHandler<GapReport> = async (reports, { items, now }) => {
  for (const report of reports) await items.tell(report, now);
  return { changes: [] };
};
