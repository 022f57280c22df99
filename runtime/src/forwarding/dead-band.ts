/** What of a series is forwarded when it changes. Pure but for the state it is given. */
import type { ForwardingMode, Value } from '@weir/protocols';

export type ChangeMode = Extract<ForwardingMode, { kind: 'change' }>;

/** A reading that was forwarded, as far as the next ones are compared with it. */
export type Told = [ts: number, value: Value, unit: string | null, quality: string | null];

export interface ToldState {
  /** The newest that was forwarded, by event time. */
  told?: Told;
  /** Of those that were older than that when they came, the newest that was forwarded. */
  late?: Told;
}

/** Texts and booleans, where numbers are told of by windows. */
export const ANY_CHANGE: ChangeMode = { kind: 'change', band: 0, percent: false, floor: 0 };

/** What a subtraction of decimal numbers is off by: 0.2 is within a band of 0.2 also from 2 to 2.2. */
const ROUNDING = 4 * Number.EPSILON;

/**
 * Compared is with the one that was forwarded last and is not younger: so each reading that is not forwarded was within
 * the band of one that the hub had, or will have, for its time. What comes late is on a line of its own, so that a
 * sensor that sends what it has kept, or whose clock was set back, is thinned out as any other.
 *
 * @returns whether it is forwarded; it is then the one that the next is compared with
 */
export function tellChange(mode: ChangeMode, state: ToldState, next: Told): boolean {
  const [ts] = next;
  const isLate = state.told !== undefined && ts < state.told[0];
  const before = isLate ? state.late : state.told;
  const isKnown = before !== undefined && ts >= before[0];
  if (isKnown && !differs(mode, before, next) && !isDue(mode, ts - before[0])) return false;
  if (isLate) state.late = next;
  else state.told = next;
  return true;
}

function isDue({ atLeastMs }: ChangeMode, ms: number): boolean {
  return atLeastMs !== undefined && ms >= atLeastMs;
}

function differs(mode: ChangeMode, before: Told, next: Told): boolean {
  const [, a, unit, quality] = before;
  const [, b] = next;
  if (unit !== next[2] || quality !== next[3]) return true;
  if (typeof a !== 'number' || typeof b !== 'number') return a !== b;
  const band = bandAt(mode, a);
  if (band === 0) return a !== b;
  return Math.abs(b - a) > band + ROUNDING * Math.max(Math.abs(a), Math.abs(b));
}

/** Half the width of the band around a value. */
export function bandAt({ band, percent, floor }: ChangeMode, value: number): number {
  return percent ? Math.max((Math.abs(value) * band) / 100, floor) : band;
}
