import type { ReportedDeployment } from '@weir/protocols';
import type { FoldStatus } from '../fold/fold.ts';
import type { EntryStatus, ForwardingStatus } from '../forwarding/policy-fold.ts';
import type { Failure } from './succession.ts';

const REASON_CHARS_MAX = 300;
/** Of each of two reasons in one report. */
const HALF_REASON_CHARS = 140;

/**
 * How a wanted deployment is doing.
 *
 * @param status of what runs under its name
 * @param failed why what is wanted does not run; undefined: it is what `status` tells of
 */
export function reportOf(
  { kind, version, hash }: Pick<ReportedDeployment, 'kind' | 'version' | 'hash'>,
  status: FoldStatus | undefined,
  failed: Pick<Failure, 'state' | 'reason'> | undefined,
): ReportedDeployment {
  const report: ReportedDeployment = { kind, version, hash, state: failed?.state ?? status?.state ?? 'fetching' };
  const reason = failed === undefined ? status?.reason : failed.reason;
  if (reason !== undefined) report.reason = reason.slice(0, REASON_CHARS_MAX);
  if (status === undefined) return report;
  if (failed === undefined) {
    report.errors = status.errors;
    if (status.forwarding !== undefined) report.forwarding = sumOf(status.forwarding);
    return report;
  }
  if (status.state === 'running') report.running = { version: status.version, hash: status.hash };
  else report.reason = bothReasons(failed.reason, status);
  return report;
}

function sumOf({ entries }: ForwardingStatus): NonNullable<ReportedDeployment['forwarding']> {
  const sum = (pick: (entry: EntryStatus) => number) => entries.reduce((total, entry) => total + pick(entry), 0);
  return { taken: sum(({ taken }) => taken), sent: sum(({ forwarded }) => forwarded) };
}

function bothReasons(first: string, { version, state, reason = '' }: FoldStatus): string {
  const second = `${version}, in its place, is ${state} too: ${reason}`;
  return `${first.slice(0, HALF_REASON_CHARS)}; ${second.slice(0, HALF_REASON_CHARS)}`;
}
