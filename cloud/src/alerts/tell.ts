/**
 * Which transitions of an episode people are to be told.
 *
 * - The first firing, another severity while it is active, and the end; nothing that never fired, or is a dry run. What is historical
 *   is for the plan to sum up (`notify/plan`).
 * - An end that comes before its firing is told after it; a firing that comes after the end was told is recorded and not told.
 * - The end of one that latches is told when it is acknowledged, that of one that was ended by hand then; neither is told again when
 *   its device says the same later.
 * - The channels that exist when it first fires are those it is told to, to its end.
 */
import type { AlertTransition } from '@weir/protocols';
import type { Episode } from './episode.ts';
import { endOf, inSight } from './kept.ts';

/** @returns what to tell now; notes in the episode that it was told */
export function tellings(after: Episode, channels: readonly string[]): AlertTransition[] {
  const { told } = after;
  if (told === undefined) return beginning(after, channels);
  if (told.end) return [];
  if (after.state === 'resolved') {
    after.told = { ...told, end: true };
    return [endTold(after)];
  }
  const latest = inSight(after.transitions);
  if (latest.seq <= told.seq || latest.severity === told.severity) return [];
  after.told = { ...told, seq: latest.seq, severity: latest.severity };
  return [latest];
}

function beginning(after: Episode, channels: readonly string[]): AlertTransition[] {
  const { transitions, dryRun, endedManually } = after;
  const firing = transitions.find(({ state }) => state === 'firing');
  if (firing === undefined || dryRun || endedManually !== undefined) return [];
  const isOver = after.state === 'resolved';
  after.told = { channels: [...channels], seq: firing.seq, severity: firing.severity, end: isOver };
  return isOver ? [firing, endTold(after)] : [firing];
}

/** The end as it is told: that of whoever raised it, unless a person brought it about. */
export function endTold(episode: Episode): AlertTransition {
  const { transitions, reason, resolvedAt, startedAt, endedManually } = episode;
  const end = endOf(transitions);
  const ts = Math.max(resolvedAt!, startedAt);
  if (endedManually === undefined) return reason === end!.reason ? end! : { ...end!, reason, ts };
  const { causes, ...latest } = inSight(transitions);
  const { seq, by, comment } = endedManually;
  const summary = `ended by ${by}${comment === undefined ? '' : `: ${comment}`}`.slice(0, SUMMARY_CHARS_MAX);
  return { ...latest, seq, state: 'resolved', reason: 'manual', ts, summary };
}

/** @see alertTransitionSchema */
const SUMMARY_CHARS_MAX = 500;
