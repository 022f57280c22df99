/**
 * What time it is, on a machine that may have no idea. It decides; `agent-clock.ts` carries out.
 *
 *     unsynchronised --- the wall clock comes to its senses ---> assumed
 *            |                                                      |
 *            '---------- NTP or the hub says what time it is -------+----> synchronised
 *
 * Time is a monotonic clock and an offset. The offset moves only on somebody's word: NTP's, the hub's, or, as long as
 * neither was heard, that of a wall clock which is plausible. So no step of a wall clock throws it.
 */
import { type Bounds, middle, narrowed, nearest } from './bounds.ts';

/**
 * - `synchronised`: NTP or the hub has said so
 * - `assumed`: the wall clock says so, and it may be
 * - `unsynchronised`: the wall clock is plainly wrong; time goes on from the last moment that was known
 */
export type Certainty = 'synchronised' | 'assumed' | 'unsynchronised';

/** Who the time is from. `floor`: the last moment that was known. */
export type TimeSource = 'ntp' | 'hub' | 'wall' | 'floor';

export interface TimeState {
  boot: string;
  certainty: Certainty;
  source: TimeSource;
  /** Wall time less monotonic time, as it is taken to be. Whole ms. */
  offset: number;
  /** That of the machine's wall clock, when it was looked at last. */
  wallOffset: number;
  /** Not believed yet: since when it is what it is, monotonic. */
  claimedAt: number | undefined;
  /** By the hub's answers. */
  hub: Bounds | undefined;
  /** No earlier time is plausible, ms since epoch. */
  floor: number;
  /** Since when time has not been known, monotonic; undefined: it is. */
  unknownSince: number | undefined;
}

export interface TimeLimits {
  /** How far ahead of the last known time a wall clock may claim to be, ms. */
  aheadMax: number;
  /** How long a wall clock that nobody confirms must stay with what it says. */
  stepHold: number;
}

/** What survives a restart. */
export interface KeptTime {
  boot: string;
  certainty: Certainty;
  source: TimeSource;
  offset: number;
  unknownSince: number | undefined;
  /** The latest time there was, ms since epoch. */
  at: number;
}

export interface Moment {
  /** ms, from the start of the machine. */
  monotonic: number;
  /** ms since epoch, as the machine says. */
  wall: number;
}

export type TimeEvent =
  /** @param disciplined whether NTP says that the wall clock is right; undefined: it was not asked, or there is none */
  ({ type: 'look'; disciplined?: boolean | undefined } & Moment) | { type: 'hub'; bounds: Bounds };

/** The offset has moved, or its certainty. */
export interface TimeChange {
  /** By how much, ms. */
  shift: number;
  /** Whether what was stamped by it is to be corrected. */
  restamp: boolean;
}

export interface TimeTransition {
  state: TimeState;
  change?: TimeChange;
}

/** No agent is older than this one: a clock before it is wrong. */
export const EARLIEST_MS = Date.UTC(2026, 0, 1);
/** After it, it is wrong, too: that is where clocks begin that count backwards. */
const LATEST_MS = Date.UTC(2100, 0, 1);
/** Within it clocks agree: the hub tells whole seconds, and reading two clocks takes a moment. */
export const AGREES_MS = 1_000;

/** Whether times that move so far are to be set right. */
export function isFelt(shift: number): boolean {
  return Math.abs(shift) > AGREES_MS;
}

export function startTime(kept: KeptTime | undefined, boot: string, now: Moment, limits: TimeLimits): TimeState {
  const floor = Math.max(EARLIEST_MS, kept?.at ?? 0);
  const wallOffset = Math.round(now.wall - now.monotonic);
  const state = { boot, wallOffset, claimedAt: undefined, hub: undefined, floor };
  // The machine was not started again: what was known goes on, whatever was done to the wall clock.
  if (kept?.boot === boot) {
    const { certainty, source, offset, unknownSince } = kept;
    return { ...state, certainty, source, offset, unknownSince };
  }
  const unknownSince = now.monotonic;
  if (isPlausible(now.wall, floor, limits)) {
    return { ...state, certainty: 'assumed', source: 'wall', offset: wallOffset, unknownSince };
  }
  const offset = Math.ceil(floor - now.monotonic);
  return { ...state, certainty: 'unsynchronised', source: 'floor', offset, unknownSince };
}

export function keptOf(state: TimeState, monotonic: number): KeptTime {
  const { boot, certainty, source, offset, unknownSince } = state;
  return { boot, certainty, source, offset, unknownSince, at: Math.floor(monotonic + offset) };
}

export function timeTransition(state: TimeState, event: TimeEvent, limits: TimeLimits): TimeTransition {
  return event.type === 'look' ? look(state, event, limits) : hearHub(state, event.bounds);
}

/** The wall clock says something else than is believed. */
export function isWallAway({ offset, wallOffset }: TimeState): boolean {
  return isFelt(wallOffset - offset);
}

function look(
  before: TimeState,
  { monotonic, wall, disciplined }: Extract<TimeEvent, { type: 'look' }>,
  limits: TimeLimits,
): TimeTransition {
  const state = { ...before, wallOffset: Math.round(wall - monotonic) };
  if (disciplined === true && isPossible(wall)) return settled(state, state.wallOffset, 'ntp');
  if (state.certainty === 'synchronised') {
    // NTP moves it by little steps; a large one is taken over when NTP stands by it.
    return { state: state.source === 'ntp' && !isWallAway(state) ? { ...state, offset: state.wallOffset } : state };
  }
  const isNews = isWallAway(state) || state.certainty === 'unsynchronised';
  if (!isNews || !isPlausible(wall, state.floor, limits)) return { state: { ...state, claimedAt: undefined } };
  const stays = before.claimedAt !== undefined && Math.abs(state.wallOffset - before.wallOffset) <= AGREES_MS;
  const claimedAt = stays ? before.claimedAt! : monotonic;
  if (monotonic - claimedAt < limits.stepHold) return { state: { ...state, claimedAt } };
  return moved({ ...state, certainty: 'assumed', source: 'wall', claimedAt: undefined }, state.wallOffset, true);
}

function hearHub(before: TimeState, fresh: Bounds): TimeTransition {
  // A hub that does not know the time itself is no teacher.
  if (!isPossible(fresh.at + fresh.min)) return { state: before };
  const state = { ...before, hub: narrowed(before.hub, fresh) };
  if (state.source === 'ntp' && !isWallAway(state)) return { state };
  const close = nearest(state.hub, state.offset);
  const agrees = Math.abs(close - state.offset) <= AGREES_MS;
  return settled(state, agrees ? close : middle(state.hub), 'hub');
}

function settled(state: TimeState, offset: number, source: 'ntp' | 'hub'): TimeTransition {
  const wasKnown = state.certainty === 'synchronised';
  const next: TimeState = {
    ...state,
    certainty: 'synchronised',
    source,
    claimedAt: undefined,
    unknownSince: undefined,
  };
  if (wasKnown && Math.abs(offset - state.offset) <= AGREES_MS) return { state: { ...next, offset } };
  return moved(next, offset, !wasKnown);
}

function moved(state: TimeState, offset: number, restamp: boolean): TimeTransition {
  return { state: { ...state, offset }, change: { shift: offset - state.offset, restamp } };
}

/** A time that can be at all. */
export function isPossible(time: number): boolean {
  return time >= EARLIEST_MS && time < LATEST_MS;
}

function isPlausible(wall: number, floor: number, { aheadMax }: TimeLimits): boolean {
  return isPossible(wall) && wall >= floor && wall <= floor + aheadMax;
}
