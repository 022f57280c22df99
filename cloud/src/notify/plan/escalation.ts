/** Whom else to tell when nobody acknowledges an alert. Its clock stands still while the alert is suppressed. */
import { matchesAny } from './inhibition.ts';
import type { Policy } from './policy.ts';
import type { Escalation, PlannedAlert } from './state.ts';

type Rule = Policy['escalations'][number];

export function escalationOf({ escalations }: Policy, { labels }: PlannedAlert): Rule | undefined {
  return escalations.find(({ match }) => matchesAny(match, labels));
}

/**
 * @param isRunning nobody has acknowledged it, it fires, and nothing suppresses it
 * @returns the same object if nothing changed
 */
export function escalate(
  before: Escalation | undefined,
  rule: Rule | undefined,
  isRunning: boolean,
  now: number,
): Escalation | undefined {
  if (before === undefined && (rule === undefined || !isRunning)) return undefined;
  const { spentMs, runningSince, taken } = before ?? { spentMs: 0, taken: [] };
  const wasAhead = runningSince !== undefined && runningSince > now;
  const spent = spentMs + (runningSince === undefined ? 0 : Math.max(0, now - runningSince));
  const due = (rule?.steps ?? []).slice(taken.length).filter(({ after }) => isRunning && after <= spent);
  const wasRunning = runningSince !== undefined;
  const isOn = isRunning && taken.length + due.length < (rule?.steps.length ?? 0);
  if (before !== undefined && due.length === 0 && wasRunning === isOn && !wasAhead) return before;
  return {
    spentMs: spent,
    ...(isOn && { runningSince: now }),
    taken: [...taken, ...due.map(({ channels }) => channels)],
  };
}

/** When the next step is to be taken, if nothing suppresses it. */
export function stepAt(escalation: Escalation | undefined, rule: Rule | undefined): number | undefined {
  if (escalation?.runningSince === undefined) return undefined;
  const next = rule?.steps[escalation.taken.length];
  return next === undefined ? undefined : escalation.runningSince + Math.max(0, next.after - escalation.spentMs);
}

/** How many of the steps taken have told this channel. */
export function stepsTo(escalation: Escalation | undefined, channel: string): number {
  return escalation?.taken.filter((channels) => channels.includes(channel)).length ?? 0;
}
