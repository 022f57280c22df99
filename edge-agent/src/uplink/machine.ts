/**
 * The uplink as a state machine. It decides; `uplink.ts` carries its effects out. README.md beside it is its
 * specification: every state with every event, and what always holds; tests compare.
 *
 *                 start                     opened            renewed
 *     stopped ------------> opening --------------------> open --------> changing
 *                            ^   |                         |  <-----------   |
 *                      retry |   | closed, too late        |  opened, or     |
 *                            |   v                         |  the successor  |
 *                           waiting <----------------------+  was closed     |
 *                                     closed, or an                          |
 *                            ^        acknowledgement is overdue             |
 *                            |                                               |
 *                          opening <-----------------------------------------+
 *                                     closed, or overdue: the successor is all there is
 *
 * `window.ts` says what is on its way, `pace.ts` how much may be, and how long it may take.
 */
import { initialPace } from './pace.ts';
import {
  isUp,
  START,
  type Surroundings,
  type Transition,
  type UplinkEffect,
  type UplinkEvent,
  type UplinkLimits,
  type UplinkState,
} from './state.ts';
import { acked, changed, isOverdue, load, loaded, lookAgain, paced } from './window.ts';

/** A connection that lasted so long was a good one: the next attempt comes soon. */
const STABLE_MS = 10_000;
/** 2^16 times the base is past any cap. */
const EXPONENT_MAX = 16;

export function transition(
  state: UplinkState,
  event: UplinkEvent,
  around: Surroundings,
  limits: UplinkLimits,
): Transition {
  const { now } = around;
  switch (event.type) {
    case 'start':
      return state.phase === 'stopped' ? opening(state, around) : unchanged(state);
    case 'retry':
      return state.phase === 'waiting' ? opening(state, around) : unchanged(state);
    case 'stop':
      return state.phase === 'stopped' ? unchanged(state) : stopping(state, around, limits);
    case 'opened':
      return opened(state, event.connection, around, limits);
    case 'closed':
      return closed(state, event.connection, event.reason, around, limits);
    case 'renewed':
      return renewed(state, around);
    case 'changed':
      return changed(state, now, limits);
    case 'loaded':
      return loaded(state, event, now, limits);
    case 'acked':
      return isUp(state) && event.connection === state.connection
        ? acked(state, event.number, now, limits)
        : unchanged(state);
    case 'paced':
      return isUp(state) ? paced(state, event, now, limits) : unchanged(state);
    case 'tick':
      return tick(state, around, limits);
  }
}

/** Full jitter: devices that lost a hub together do not come back together. */
export function backoffMs(attempt: number, random: number, limits: Pick<UplinkLimits, 'backoffBase' | 'backoffCap'>) {
  const ceiling = Math.min(limits.backoffCap, limits.backoffBase * 2 ** Math.min(attempt, EXPONENT_MAX));
  return Math.round(random * ceiling);
}

function unchanged(state: UplinkState): Transition {
  return { state, effects: [] };
}

function opening(state: UplinkState, { now }: Surroundings): Transition {
  const connection = state.connections + 1;
  return {
    state: { ...state, phase: 'opening', connections: connection, connection, openingAt: now, renewed: false },
    effects: [{ type: 'open', connection }],
  };
}

function stopping(state: UplinkState, { now }: Surroundings, limits: UplinkLimits): Transition {
  const stopped = { ...forgotten(state, limits), phase: 'stopped' as const, since: now, reason: 'stopped' };
  return { state: { ...stopped, successor: undefined, renewed: false }, effects: closings(state) };
}

/** Of every connection there is. */
function closings({ phase, connection, successor }: UplinkState): UplinkEffect[] {
  if (phase === 'stopped' || phase === 'waiting') return [];
  const all = successor === undefined ? [connection] : [connection, successor];
  return all.map((each) => ({ type: 'close', connection: each }));
}

function opened(state: UplinkState, connection: number, around: Surroundings, limits: UplinkLimits): Transition {
  const { now } = around;
  const isNew = state.phase === 'opening' && connection === state.connection;
  const isSuccessor = state.phase === 'changing' && connection === state.successor;
  if (!isNew && !isSuccessor) return unchanged(state);
  const effects: UplinkEffect[] = isSuccessor ? [{ type: 'close', connection: state.connection }] : [];
  const open: UplinkState = {
    ...forgotten(state, limits),
    phase: 'open',
    connection,
    successor: undefined,
    since: isSuccessor ? state.since : now,
    reason: undefined,
    lastAckAt: now,
    gatherUntil: { live: now, backfill: now },
  };
  const next = load(open, now, limits);
  // Its credentials were renewed while it came up.
  const after = next.state.renewed ? changing(next.state, around) : unchanged(next.state);
  return { state: after.state, effects: [...effects, ...next.effects, ...after.effects] };
}

function closed(
  state: UplinkState,
  connection: number,
  reason: string,
  around: Surroundings,
  limits: UplinkLimits,
): Transition {
  if (state.phase === 'changing' && connection === state.successor) {
    // What there is goes on; whoever renewed the credentials tries again.
    return unchanged({ ...state, phase: 'open', successor: undefined });
  }
  if (connection !== state.connection) return unchanged(state);
  if (state.phase === 'changing') return toSuccessor(state, reason, around, limits);
  if (state.phase !== 'open' && state.phase !== 'opening') return unchanged(state);
  const wasStable = state.phase === 'open' && around.now - state.since >= STABLE_MS;
  const attempt = wasStable ? 0 : state.attempt;
  const since = state.phase === 'open' ? around.now : state.since;
  const next: UplinkState = { ...forgotten(state, limits), phase: 'waiting', since, reason, attempt: attempt + 1 };
  return { state: next, effects: [{ type: 'wait', ms: backoffMs(attempt, around.random, limits) }] };
}

/** The hub ends a connection when another of the same device is there. */
function toSuccessor(state: UplinkState, reason: string, { now }: Surroundings, limits: UplinkLimits): Transition {
  const connection = state.successor!;
  const next = { ...forgotten(state, limits), phase: 'opening' as const, connection, successor: undefined };
  return unchanged({ ...next, since: now, reason });
}

function renewed(state: UplinkState, around: Surroundings): Transition {
  if (state.phase === 'open') return changing(state, around);
  if (state.phase === 'opening' || state.phase === 'changing') return unchanged({ ...state, renewed: true });
  // What comes next is begun with them anyway.
  return unchanged(state);
}

function changing(state: UplinkState, { now }: Surroundings): Transition {
  const successor = state.connections + 1;
  return {
    state: { ...state, phase: 'changing', connections: successor, successor, openingAt: now, renewed: false },
    effects: [{ type: 'open', connection: successor }],
  };
}

function tick(state: UplinkState, around: Surroundings, limits: UplinkLimits): Transition {
  const { now } = around;
  const isLate = now - state.openingAt > limits.openTimeout;
  if (state.phase === 'opening' && isLate) return cutOff(state, 'the hub did not answer in time', around, limits);
  if (!isUp(state)) return unchanged(state);
  if (isOverdue(state, now, limits)) {
    const { pace } = state;
    const slower = { ...state, pace: { ...pace, timeouts: pace.timeouts + 1 } };
    return cutOff(slower, 'the hub did not acknowledge in time', around, limits);
  }
  if (state.phase === 'changing' && isLate) {
    const late = state.successor!;
    const next = closed(state, late, 'the hub did not answer in time', around, limits);
    return { state: next.state, effects: [{ type: 'close', connection: late }, ...next.effects] };
  }
  return lookAgain(state, now, limits);
}

function cutOff(state: UplinkState, reason: string, around: Surroundings, limits: UplinkLimits): Transition {
  const { connection } = state;
  const next = closed(state, connection, reason, around, limits);
  return { state: next.state, effects: [{ type: 'close', connection }, ...next.effects] };
}

/** Without what was on its way: it is in the outbox still. Another connection may be another line. */
function forgotten(state: UplinkState, limits: UplinkLimits): UplinkState {
  const pace = initialPace(limits, state.pace.timeouts);
  const unpaced = { backlogWaitsUntil: undefined, backlogAtATime: undefined };
  return { ...state, ...unpaced, window: [], cursors: START, more: true, again: undefined, pace };
}
