/**
 * The machine of one episode: what follows from what the conditions of a rule's ladder say, at moments of event time that
 * do not go back. Pure. README.md beside it is its specification.
 */
import type { AlertReason, AlertState } from '@weir/protocols';

/** What is said of one rung at a moment; undefined: nobody knows. */
export interface RungLook {
  on: boolean | undefined;
  /** That it is over, once it was in force. */
  over: boolean | undefined;
}

export interface Look {
  /** Event time, ms. */
  ts: number;
  /** From the least severity to the greatest. */
  rungs: readonly RungLook[];
  /** A reading brought it about that had not been there before; else time alone. */
  fresh: boolean;
  /** Within the times at which the rule is watched. */
  watched: boolean;
  /** Of what is unknown: whether it cannot be judged at all, for a level is missing or a unit is of another kind. */
  problem: boolean;
}

/** Of a rule, what the machine has to know. */
export interface Terms {
  forMs: number;
  keepFiringForMs: number;
  samples: number;
  noRecurrenceForMs?: number;
  resolveAfterMs?: number;
  manual: boolean;
  /** By rung: whether it is about a signal that has fallen silent. */
  silent: readonly boolean[];
}

interface RungState {
  /** Since when its condition is true. */
  since?: number;
  /** It was true when it was last known, and is not known now. */
  doubt?: true;
  /** In force: true for as long as it must be, and not over since. */
  in?: true;
  /** It has ended by itself, and counts no more until its condition was false, or until a fresh reading. */
  spent?: 'until-false' | 'until-fresh';
}

export type Phase = 'quiet' | 'pending' | 'firing' | 'recovering';

export interface MachineState {
  phase: Phase;
  rungs: RungState[];
  /** Of an episode: its rung in force, or the last that was. */
  at: number;
  /** Event time at which the condition became true. */
  startedAt: number;
  firedAt?: number;
  /** When a fresh reading last said that it is so. */
  recurredAt?: number;
  /** While recovering: since when it is over, and for how many fresh readings in a row. */
  overSince?: number;
  overSamples?: number;
  /** Of an episode that fired: since when nothing is known, and why. */
  unknownSince?: number;
  unknownWhy?: Away;
  /** Told as such. */
  away?: Away;
}

export type Away = 'no-data' | 'error';

/** `begin` and `drop` are of what is pending, and nobody's business. */
export type Move =
  | { kind: 'begin'; ts: number }
  | { kind: 'drop'; ts: number }
  | { kind: 'tell'; state: AlertState; reason: AlertReason; ts: number; rung: number };

/**
 * How long nothing must be known of what fired before that is told: sensors restart and devices connect again within that
 * time, and who is told of each gap reads none of them.
 */
export const UNKNOWN_MS = 60_000;

const NOTHING: readonly Move[] = [];

export function quietMachine(rungs: number): MachineState {
  return { phase: 'quiet', rungs: Array.from({ length: rungs }, () => ({})), at: 0, startedAt: 0 };
}

export function isOpen({ phase }: Pick<MachineState, 'phase'>): boolean {
  return phase === 'firing' || phase === 'recovering';
}

/** @returns `before` itself where nothing has changed */
export function look(before: MachineState, seen: Look, terms: Terms): { state: MachineState; moves: readonly Move[] } {
  if (isAtRest(before) && seen.rungs.every(({ on }) => on !== true)) return { state: before, moves: NOTHING };
  const state = copyOf(before);
  const moves: Move[] = [];
  if (seen.watched) {
    takeVerdicts(state, seen, terms);
    if (isOpen(state)) moveOpen(state, seen, terms, moves);
    else moveQuiet(state, seen, terms, moves);
  } else endSchedule(state, seen.ts, terms, moves);
  return { state, moves };
}

/** Event time at which something follows from what is known though nothing comes; infinity: never. */
export function dueOf(state: MachineState, terms: Terms): number {
  if (isAtRest(state)) return Number.POSITIVE_INFINITY;
  const isAway = state.away !== undefined;
  const dues = state.rungs.map((rung) =>
    rung.since === undefined || rung.in || rung.doubt || isAway ? Number.POSITIVE_INFINITY : rung.since + terms.forMs,
  );
  if (isOpen(state)) {
    dues.push(expiryOf(state, terms));
    if (state.unknownSince === undefined) dues.push(noRecurrenceOf(state, terms), keptUntil(state, terms));
    else if (state.away === undefined) dues.push(state.unknownSince + UNKNOWN_MS);
  }
  return Math.min(...dues);
}

/** What fired is away: who watches it is not connected. */
export function withAway(before: MachineState, ts: number): { state: MachineState; moves: readonly Move[] } {
  if (!isOpen(before) || before.away !== undefined) return { state: before, moves: NOTHING };
  const state: MachineState = { ...copyOf(before), away: 'no-data', unknownWhy: 'no-data' };
  state.unknownSince ??= ts;
  return { state, moves: [tell(state, 'no-data', 'no-data', ts)] };
}

/** A span that counts for nothing, for nobody was watching: what was to be held goes on being held from where it was. */
export function withoutSpan(before: MachineState, ms: number): MachineState {
  if (isAtRest(before) || ms <= 0) return before;
  const state = copyOf(before);
  for (const rung of state.rungs) if (rung.since !== undefined && !rung.in) rung.since += ms;
  if (state.phase === 'pending') state.startedAt += ms;
  if (state.overSince !== undefined) state.overSince += ms;
  if (state.recurredAt !== undefined) state.recurredAt += ms;
  return state;
}

/** @param moved where a moment that has been goes to */
export function movedMachine(before: MachineState, moved: (ts: number) => number): MachineState {
  const state = copyOf(before);
  for (const rung of state.rungs) if (rung.since !== undefined) rung.since = moved(rung.since);
  state.startedAt = moved(state.startedAt);
  for (const key of ['firedAt', 'recurredAt', 'overSince', 'unknownSince'] as const) {
    const ts = state[key];
    if (ts !== undefined) state[key] = moved(ts);
  }
  return state;
}

function isAtRest({ phase, rungs }: MachineState): boolean {
  return phase === 'quiet' && rungs.every(({ since, spent }) => since === undefined && spent === undefined);
}

function copyOf(state: MachineState): MachineState {
  return { ...state, rungs: state.rungs.map((rung) => ({ ...rung })) };
}

function takeVerdicts(state: MachineState, { ts, rungs, fresh }: Look, { forMs }: Terms): void {
  const isAway = state.away !== undefined && !fresh;
  for (const [at, rung] of state.rungs.entries()) {
    const { on, over } = rungs[at]!;
    if (on === true) takeTrue(state, rung, ts, fresh);
    else if (on === false) {
      delete rung.since;
      delete rung.doubt;
      delete rung.spent;
    } else if (rung.since !== undefined) rung.doubt = true;
    if (rung.in) {
      if (over === true && on !== true) {
        delete rung.in;
        delete rung.since;
        delete rung.doubt;
      }
    } else if (rung.since !== undefined && !rung.doubt && !isAway) {
      // What was in force and is so again before it has ended goes on; it need not be held once more.
      if (ts >= rung.since + forMs || state.phase === 'recovering') rung.in = true;
    }
  }
}

function takeTrue(state: MachineState, rung: RungState, ts: number, fresh: boolean): void {
  if (rung.spent === 'until-fresh' && fresh) delete rung.spent;
  if (rung.spent !== undefined) return;
  rung.since ??= ts;
  delete rung.doubt;
  if (fresh) state.recurredAt = Math.max(ts, state.recurredAt ?? 0);
}

function moveQuiet(state: MachineState, { ts }: Look, { forMs, silent }: Terms, moves: Move[]): void {
  const since = state.rungs.flatMap((rung) => rung.since ?? []);
  if (since.length === 0) {
    if (state.phase === 'pending') moves.push({ kind: 'drop', ts });
    Object.assign(state, quietMachine(0), { rungs: state.rungs });
    delete state.recurredAt;
    return;
  }
  const top = topOf(state);
  if (state.phase === 'quiet') {
    state.startedAt = Math.min(...since);
    moves.push({ kind: 'begin', ts: state.startedAt });
  }
  state.phase = 'pending';
  if (top < 0) return;
  // Of what is pending one rung may have come to nothing while another was held.
  state.startedAt = Math.min(...state.rungs.flatMap((rung) => (rung.in && rung.since !== undefined ? rung.since : [])));
  Object.assign(state, { phase: 'firing', at: top, firedAt: ts, recurredAt: state.recurredAt ?? ts });
  moves.push(tell(state, 'firing', silent[top] ? 'silent' : forMs === 0 ? 'threshold' : 'held', ts));
}

function moveOpen(state: MachineState, seen: Look, terms: Terms, moves: Move[]): void {
  const { ts } = seen;
  const wasAway = state.away;
  noteUnknown(state, seen);
  const top = topOf(state);
  if (ts >= expiryOf(state, terms)) resolve(state, 'expired', ts, moves);
  else if (state.unknownSince === undefined && ts >= noRecurrenceOf(state, terms)) {
    resolve(state, 'no-recurrence', ts, moves);
  } else if (state.phase === 'recovering') moveRecovering(state, top, seen, terms, moves);
  else if (top >= 0 && top !== state.at) {
    state.at = top;
    moves.push(tell(state, 'firing', 'severity', ts));
  } else if (top < 0 && !terms.manual && terms.noRecurrenceForMs === undefined) recover(state, seen, terms, moves);
  if (moves.length > 0 || !isOpen(state)) return;
  if (state.unknownSince !== undefined && state.away === undefined && ts >= state.unknownSince + UNKNOWN_MS) {
    state.away = state.unknownWhy!;
    moves.push(tell(state, state.away, state.away, ts));
  } else if (wasAway !== undefined && state.away === undefined) {
    moves.push(tell(state, state.phase as AlertState, 'returned', ts));
  }
}

function moveRecovering(state: MachineState, top: number, seen: Look, terms: Terms, moves: Move[]): void {
  const { ts, fresh, rungs } = seen;
  if (top >= 0) {
    Object.assign(state, { phase: 'firing', at: top });
    delete state.overSince;
    delete state.overSamples;
    moves.push(tell(state, 'firing', terms.silent[top] ? 'silent' : 'threshold', ts));
    return;
  }
  if (state.unknownSince !== undefined) return;
  const relevant = rungs.slice(0, state.at + 1);
  if (relevant.some(({ over }) => over === false)) {
    delete state.overSince;
    state.overSamples = 0;
    return;
  }
  if (state.overSince === undefined) state.overSince = ts;
  if (fresh) state.overSamples = (state.overSamples ?? 0) + 1;
  if (ts >= keptUntil(state, terms)) resolve(state, endReason(state, terms), ts, moves);
}

function recover(state: MachineState, { ts, fresh }: Look, terms: Terms, moves: Move[]): void {
  Object.assign(state, { phase: 'recovering', overSince: ts, overSamples: fresh ? 1 : 0 });
  if (ts >= keptUntil(state, terms)) {
    resolve(state, endReason(state, terms), ts, moves);
    return;
  }
  const pending = state.rungs.findLastIndex(({ since, doubt }) => since !== undefined && !doubt);
  if (pending < 0) {
    moves.push(tell(state, 'recovering', terms.silent[state.at] ? 'returned' : 'cleared', ts));
    return;
  }
  // What is true while it recovers goes on with the episode, and need not be held; also what was true before.
  state.rungs[pending]!.in = true;
  Object.assign(state, { phase: 'firing', at: pending });
  delete state.overSince;
  delete state.overSamples;
  moves.push(tell(state, 'firing', 'severity', ts));
}

function endReason({ at }: MachineState, { keepFiringForMs, silent }: Terms): AlertReason {
  if (keepFiringForMs > 0) return 'kept';
  return silent[at] ? 'returned' : 'cleared';
}

/** What was told to be away is back with a reading, not with time. */
function noteUnknown(state: MachineState, { ts, rungs, problem, fresh }: Look): void {
  if (rungs.some(({ on, over }) => on !== undefined || over !== undefined)) {
    if (state.away !== undefined && !fresh) return;
    delete state.unknownSince;
    delete state.unknownWhy;
    delete state.away;
    return;
  }
  state.unknownSince ??= ts;
  state.unknownWhy = problem ? 'error' : 'no-data';
}

/** What is not watched ends; but what only a person ends. */
function endSchedule(state: MachineState, ts: number, { manual }: Terms, moves: Move[]): void {
  if (isOpen(state)) {
    if (manual) return;
    resolve(state, 'schedule', ts, moves);
  } else if (state.phase === 'pending') moves.push({ kind: 'drop', ts });
  Object.assign(state, quietMachine(state.rungs.length));
}

function resolve(state: MachineState, reason: AlertReason, ts: number, moves: Move[]): void {
  moves.push(tell(state, 'resolved', reason, ts));
  const rungs = state.rungs.map((rung) => afterEnd(rung, reason));
  for (const key of Object.keys(state)) delete (state as Partial<MachineState>)[key as keyof MachineState];
  Object.assign(state, quietMachine(0), { rungs });
  const since = rungs.flatMap((rung) => rung.since ?? []);
  if (since.length === 0) return;
  Object.assign(state, { phase: 'pending', startedAt: Math.min(...since) });
  moves.push({ kind: 'begin', ts: state.startedAt });
}

function afterEnd({ since, doubt, spent }: RungState, reason: AlertReason): RungState {
  // One that has ended by itself and is true all the while has not begun anew because another one ended.
  if (spent !== undefined) return { spent };
  if (since === undefined || reason === 'schedule') return {};
  if (reason === 'expired') return { spent: 'until-false' };
  if (reason === 'no-recurrence') return { spent: 'until-fresh' };
  // What is over has no `since`. One that is pending goes on being held: the end of another one is not its own.
  return doubt ? { since, doubt } : { since };
}

function tell({ at }: MachineState, state: AlertState, reason: AlertReason, ts: number): Move {
  return { kind: 'tell', state, reason, ts, rung: at };
}

function topOf({ rungs }: MachineState): number {
  return rungs.findLastIndex((rung) => rung.in === true);
}

function expiryOf({ firedAt }: MachineState, { resolveAfterMs, manual }: Terms): number {
  if (manual || resolveAfterMs === undefined || firedAt === undefined) return Number.POSITIVE_INFINITY;
  return firedAt + resolveAfterMs;
}

/** What had not recurred for so long before it was held fires, and ends with the next moment: one moment tells one. */
function noRecurrenceOf({ recurredAt, firedAt = 0 }: MachineState, { noRecurrenceForMs, manual }: Terms): number {
  if (manual || noRecurrenceForMs === undefined || recurredAt === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(recurredAt + noRecurrenceForMs, firedAt + 1);
}

/** While it recovers: until when it goes on firing. */
function keptUntil(state: MachineState, { keepFiringForMs, samples }: Terms): number {
  const { phase, overSince, overSamples = 0 } = state;
  if (phase !== 'recovering' || overSince === undefined) return Number.POSITIVE_INFINITY;
  // One sample is any way of being over, also that a window has gone by.
  return samples > 1 && overSamples < samples ? Number.POSITIVE_INFINITY : overSince + keepFiringForMs;
}
