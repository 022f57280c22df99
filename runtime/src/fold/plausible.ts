import { AHEAD_MS_MAX } from '@weir/protocols';

/** 1 January 2020: no clock that is set shows an earlier time. */
const CLOCK_SET_MS = 1_577_836_800_000;

export function isClockSet(now: number): boolean {
  return now > CLOCK_SET_MS;
}

/**
 * A sample from the future counts as one of now: a clock that was wrong once must not blind a rule, keep its alert
 * firing or set off timers until that time has come. A gateway that has no idea of the time itself, as at its first
 * boot, is no judge of others.
 */
export function plausibleTs(ts: number, receivedAt: number): number {
  return isClockSet(receivedAt) ? Math.min(ts, receivedAt + AHEAD_MS_MAX) : ts;
}
