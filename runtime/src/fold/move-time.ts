import type { KeptState } from '../sandbox/protocol.ts';

/**
 * A host that did not know what time it was, and does now: what its folds keep of the time before moves along, so that
 * nothing falls due by it. A rule that was pending for a minute is pending for a minute.
 */
export interface TimeMove {
  /** From when on times were counted wrongly, by the clock as it was. */
  from: number;
  /** ms to be added. */
  shift: number;
  /** ms since epoch, by the clock as it is now. */
  now: number;
}

/**
 * A moment that has been: of readings whose sensors knew better it is no later than now. What was before `from` stays
 * before it, also where a clock that was ahead has said otherwise: of a moment in the future no reading would be fresh,
 * and an alert would not end until then.
 */
export function movedPast(ts: number, { from, shift, now }: TimeMove): number {
  return ts >= from ? Math.min(ts + shift, Math.max(now, ts)) : Math.min(ts, from + shift);
}

export function movedTimes(times: ReadonlyMap<string, number>, move: TimeMove): Map<string, number> {
  return new Map([...times].map(([name, ts]) => [name, movedPast(ts, move)]));
}

/** Of a function's states what the host keeps with them; what user code keeps is its own. */
export function movedStates(states: ReadonlyMap<string, KeptState>, move: TimeMove): Map<string, KeptState> {
  return new Map([...states].map(([key, state]) => [key, movedState(state, move)]));
}

function movedState(state: KeptState, move: TimeMove): KeptState {
  const moved = { ...state };
  if (state.timers !== undefined) moved.timers = state.timers.map(([name, at]) => [name, movedDue(at, move)]);
  if (state.ran !== undefined) moved.ran = state.ran.map(([name, at]) => [name, movedPast(at, move)]);
  return moved;
}

/** A moment that is to come. */
function movedDue(ts: number, { from, shift }: TimeMove): number {
  return ts >= from ? ts + shift : ts;
}
