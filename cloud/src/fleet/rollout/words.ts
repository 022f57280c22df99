/** What a rollout says of itself, for people. */
import { formatDuration } from '@weir/protocols';
import type { Counts, FailedDevice, Rollout } from './rollout.ts';
import { amountText } from './waves.ts';

export function devicesText(count: number): string {
  return count === 1 ? '1 device' : `${count} devices`;
}

export function waveText({ wave, options }: Pick<Rollout, 'wave' | 'options'>): string {
  return `wave ${wave + 1} of ${options.waves.length}`;
}

/** When an abort is told, and afterwards: what every device runs then. */
export function backText({ lastGood, target }: Rollout): string {
  if (lastGood === undefined) return `${target.name} is taken off again`;
  return `all go back to ${lastGood.version}`;
}

export function failedText(counts: Counts, failures: readonly FailedDevice[]): string {
  const { running, failed, pending } = counts;
  const first = failures[0];
  const why = first === undefined ? '' : `: ${first.device}: ${first.reason}`;
  return `${failed} of ${running + failed + pending} failed${why}`;
}

export function soakText({ options, target }: Rollout, running: number): string {
  const beside = options.blueGreen === undefined ? '' : ' beside what stands';
  const rest = options.soakMs === 0 ? '' : `; they run it for ${formatDuration(options.soakMs)} first`;
  return `${devicesText(running)} ${running === 1 ? 'runs' : 'run'} ${target.version}${beside}${rest}`;
}

export function beginText(rollout: Rollout): string {
  const { options, target, members } = rollout;
  const { waves, perMinute, abortAt } = options;
  const steps = waves.length === 1 ? 'in one wave' : `in ${waves.length} waves: ${waves.map(amountText).join(', ')}`;
  const rate = perMinute === undefined ? '' : `, ${perMinute} a minute`;
  const ends = abortAt === undefined ? 'no number of failed devices ends it' : `${thresholdText(abortAt)} ends it`;
  return `${target.version} goes to ${devicesText(members)} ${steps}${rate}; ${ends}`;
}

/** @returns what whoever asked for a time that is over is told */
export function pastNotes({ options, createdAt }: Pick<Rollout, 'options' | 'createdAt'>): string[] {
  const { notBefore, window } = options;
  if (notBefore === undefined || notBefore >= createdAt) return [];
  const when = window === undefined ? 'at once' : `at once, where it is ${window}`;
  return [`it was to begin at ${isoText(notBefore)}, which is past: it begins ${when}`];
}

function thresholdText(amount: NonNullable<Rollout['options']['abortAt']>): string {
  if ('percent' in amount) return `a share of ${amount.percent}% failed devices`;
  return amount.count === 1 ? 'one failed device' : `${amount.count} failed devices`;
}

export function isoText(at: number): string {
  return new Date(at).toISOString().replace(/:\d\d\.\d{3}Z$/, 'Z');
}
