import { formatDuration } from '@weir/protocols';
import type { Counts, DeviceView, Rollout } from './rollout.ts';
import { amountOf } from './waves.ts';

/** How a device stands with what is rolled out. */
export type Standing =
  /** Of another group's, or not let in. */
  | { kind: 'apart' }
  | { kind: 'offline' }
  | { kind: 'pending' }
  | { kind: 'silent' }
  | { kind: 'running' }
  | { kind: 'failed'; reason: string };

const MINUTE_MS = 60_000;

export function standingOf(view: DeviceView, rollout: Rollout, now: number): Standing {
  const since = rollout.atOnce ? rollout.createdAt : view.admission?.at;
  if (since === undefined || view.overridden) return { kind: 'apart' };
  const { report, connected } = view;
  if (report.kind === 'failed') return report;
  if (report.kind === 'running') return standingOfRunning(view, report.errors, rollout, since, now);
  if (!connected) return { kind: 'offline' };
  const { takeWithinMs } = rollout.options;
  if (now - Math.max(since, view.since) < takeWithinMs) return { kind: 'pending' };
  // In the cloud it starts with the next readings, and who sends none has done nothing wrong.
  if (rollout.target.where === 'cloud') return { kind: 'silent' };
  return { kind: 'failed', reason: `it is connected, and has not taken it within ${formatDuration(takeWithinMs)}` };
}

function standingOfRunning(
  { connected, since: absentSince }: DeviceView,
  errors: number,
  { options }: Rollout,
  since: number,
  now: number,
): Standing {
  const { errorsPerMinuteMax, heartbeatMs } = options;
  const minutes = Math.max(1, (now - since) / MINUTE_MS);
  if (errorsPerMinuteMax !== undefined && errors / minutes > errorsPerMinuteMax) {
    const rate = (errors / minutes).toFixed(1);
    return { kind: 'failed', reason: `${rate} failed steps a minute are more than ${errorsPerMinuteMax}` };
  }
  if (!connected && heartbeatMs !== undefined && now - Math.max(since, absentSince) >= heartbeatMs) {
    return { kind: 'failed', reason: `it has not been heard of for ${formatDuration(heartbeatMs)} since it took it` };
  }
  return { kind: 'running' };
}

/** A device with its standing. */
export interface Stood {
  view: DeviceView;
  standing: Standing;
}

export function standingsOf(devices: readonly DeviceView[], rollout: Rollout, now: number): Stood[] {
  return devices.map((view) => ({ view, standing: standingOf(view, rollout, now) }));
}

export function countsOf(all: readonly Stood[]): Counts {
  const counts: Counts = {
    ...{ members: all.length, admitted: 0, running: 0, failed: 0, pending: 0, offline: 0, silent: 0, overridden: 0 },
  };
  for (const { view, standing } of all) {
    if (view.admission !== undefined) counts.admitted += 1;
    if (view.overridden) counts.overridden += 1;
    else if (standing.kind !== 'apart') counts[standing.kind] += 1;
  }
  return counts;
}

/**
 * Whether so many have failed that it has to end. A share is of those that can have failed: that are connected, or have
 * said how it goes.
 */
export function isOverThreshold({ running, failed, pending }: Counts, { options }: Rollout): boolean {
  const { abortAt } = options;
  if (abortAt === undefined || failed === 0) return false;
  if ('count' in abortAt) return failed >= abortAt.count;
  return failed >= amountOf(abortAt, running + failed + pending);
}
