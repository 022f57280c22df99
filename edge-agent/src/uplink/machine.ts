/**
 * The uplink as a state machine. It decides; `uplink.ts` carries its effects out.
 *
 *                 start                     opened
 *     stopped ------------> opening ---------------------> open
 *                            ^   |  closed                  |  closed, or an acknowledgement is overdue
 *                      retry |   v                          |
 *                           waiting <-----------------------+
 *
 * Batches are numbered by their sending. A window of them may be unacknowledged; within a lane the outbox is told
 * only of what is acknowledged without a hole before it. When the connection ends the window is forgotten, and what
 * was in it is read from the outbox again: the hub drops what it has twice.
 */
import { LANES, type Lane } from '@weir/protocols';
import type { BatchRoom, Cursors, UplinkBatch } from '../outbox/batches.ts';

export interface UplinkLimits {
  windowBatches: number;
  backfillBatches: number;
  reportBatches: number;
  /** ms, as all durations here */
  ackTimeout: number;
  backoffBase: number;
  backoffCap: number;
}

export interface InFlight {
  number: number;
  lane: Lane;
  /** First item, and the one after the last. */
  from: number;
  through: number;
  sentAt: number;
  acked: boolean;
}

export type Phase = 'stopped' | 'waiting' | 'opening' | 'open';

export interface UplinkState {
  phase: Phase;
  /** When `open` was entered or left last, ms since epoch. */
  since: number;
  /** Why it is not open. */
  reason: string | undefined;
  /** Openings that failed in a row. */
  attempt: number;
  /** Counts openings; answers that belong to an earlier one are known by it. */
  connection: number;
  window: readonly InFlight[];
  nextNumber: number;
  cursors: Readonly<Cursors>;
  /** The outbox was asked and has not answered. */
  loading: boolean;
  /** The outbox may hold more than was handed out. */
  more: boolean;
}

export type UplinkEvent =
  | { type: 'start' | 'stop' | 'retry' | 'opened' }
  | { type: 'closed'; reason: string }
  /** Something entered the outbox. */
  | { type: 'changed' }
  | { type: 'loaded'; connection: number; batches: readonly UplinkBatch[] }
  | { type: 'acked'; connection: number; number: number }
  /** About once a second. */
  | { type: 'tick' };

export type UplinkEffect =
  | { type: 'open' | 'close' }
  /** To be followed by `retry`. */
  | { type: 'wait'; ms: number }
  | { type: 'load'; connection: number; cursors: Cursors; room: BatchRoom }
  | { type: 'send'; connection: number; number: number; batch: UplinkBatch }
  | { type: 'acknowledge'; lane: Lane; through: number };

export interface Transition {
  state: UplinkState;
  effects: UplinkEffect[];
}

/** What the machine may not know by itself. */
export interface Surroundings {
  /** ms since epoch */
  now: number;
  /** 0 to 1 */
  random: number;
}

const START: Cursors = { alert: 0, live: 0, report: 0, backfill: 0 };
/** A connection that lasted so long was a good one: the next attempt comes soon. */
const STABLE_MS = 10_000;
/** 2^16 times the base is past any cap. */
const EXPONENT_MAX = 16;

export function initialUplink(now: number): UplinkState {
  return {
    phase: 'stopped',
    since: now,
    reason: 'not started',
    attempt: 0,
    connection: 0,
    window: [],
    nextNumber: 1,
    cursors: START,
    loading: false,
    more: true,
  };
}

export function transition(
  state: UplinkState,
  event: UplinkEvent,
  around: Surroundings,
  limits: UplinkLimits,
): Transition {
  switch (event.type) {
    case 'start':
      return state.phase === 'stopped' ? opening(state) : unchanged(state);
    case 'retry':
      return state.phase === 'waiting' ? opening(state) : unchanged(state);
    case 'stop':
      return state.phase === 'stopped' ? unchanged(state) : stopping(state, around);
    case 'opened':
      return state.phase === 'opening' ? opened(state, around, limits) : unchanged(state);
    case 'closed':
      return closed(state, event.reason, around, limits);
    case 'changed':
      return state.more ? unchanged(state) : load({ ...state, more: true }, limits);
    case 'loaded':
      return event.connection === state.connection && state.loading
        ? loaded(state, event.batches, around, limits)
        : unchanged(state);
    case 'acked':
      return event.connection === state.connection ? acked(state, event.number, limits) : unchanged(state);
    case 'tick':
      return overdue(state, around, limits);
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

function opening(state: UplinkState): Transition {
  return { state: { ...state, phase: 'opening', connection: state.connection + 1 }, effects: [{ type: 'open' }] };
}

function stopping(state: UplinkState, { now }: Surroundings): Transition {
  const effects: UplinkEffect[] = state.phase === 'waiting' ? [] : [{ type: 'close' }];
  return { state: { ...forgotten(state), phase: 'stopped', since: now, reason: 'stopped' }, effects };
}

function opened(state: UplinkState, { now }: Surroundings, limits: UplinkLimits): Transition {
  return load({ ...forgotten(state), phase: 'open', since: now, reason: undefined }, limits);
}

function closed(state: UplinkState, reason: string, around: Surroundings, limits: UplinkLimits): Transition {
  if (state.phase !== 'open' && state.phase !== 'opening') return unchanged(state);
  const wasStable = state.phase === 'open' && around.now - state.since >= STABLE_MS;
  const attempt = wasStable ? 0 : state.attempt;
  const since = state.phase === 'open' ? around.now : state.since;
  const next: UplinkState = { ...forgotten(state), phase: 'waiting', since, reason, attempt: attempt + 1 };
  return { state: next, effects: [{ type: 'wait', ms: backoffMs(attempt, around.random, limits) }] };
}

/** Without what was on its way: it is in the outbox still. */
function forgotten(state: UplinkState): UplinkState {
  return { ...state, window: [], cursors: START, loading: false, more: true };
}

function load(state: UplinkState, limits: UplinkLimits): Transition {
  const free = limits.windowBatches - state.window.length;
  if (state.phase !== 'open' || state.loading || !state.more || free <= 0) return unchanged(state);
  const waiting = (lane: Lane) => state.window.filter((batch) => batch.lane === lane).length;
  // The last place is for an alert, and one before it for a report: readings that never end must not keep them.
  const others = free - 1;
  const room = {
    total: free,
    others,
    readings: Math.max(0, waiting('report') > 0 ? others : others - 1),
    report: Math.max(0, limits.reportBatches - waiting('report')),
    backfill: Math.max(0, limits.backfillBatches - waiting('backfill')),
  };
  return {
    // What enters the outbox from now on may be missed by this look.
    state: { ...state, loading: true, more: false },
    effects: [{ type: 'load', connection: state.connection, cursors: { ...state.cursors }, room }],
  };
}

function loaded(
  state: UplinkState,
  batches: readonly UplinkBatch[],
  { now }: Surroundings,
  limits: UplinkLimits,
): Transition {
  const effects: UplinkEffect[] = [];
  const window = [...state.window];
  const cursors = { ...state.cursors };
  let number = state.nextNumber;
  for (const batch of batches) {
    const through = batch.seq + batch.count;
    cursors[batch.lane] = through;
    window.push({ number, lane: batch.lane, from: batch.seq, through, sentAt: now, acked: false });
    effects.push({ type: 'send', connection: state.connection, number: number++, batch });
  }
  // After something there may be more; after nothing, `changed` will tell.
  const more = state.more || batches.length > 0;
  const next = load({ ...state, window, cursors, nextNumber: number, loading: false, more }, limits);
  return { state: next.state, effects: [...effects, ...next.effects] };
}

function acked(state: UplinkState, number: number, limits: UplinkLimits): Transition {
  let window = state.window.map((batch) => (batch.number === number ? { ...batch, acked: true } : batch));
  const effects: UplinkEffect[] = [];
  for (const lane of LANES) {
    let through: number | undefined;
    for (let head = window.find((batch) => batch.lane === lane); head?.acked; ) {
      through = head.through;
      const done = head.number;
      window = window.filter((batch) => batch.number !== done);
      head = window.find((batch) => batch.lane === lane);
    }
    if (through !== undefined) effects.push({ type: 'acknowledge', lane, through });
  }
  // Room in the window: what was left behind for want of it may go.
  const next = load({ ...state, window, attempt: 0, more: true }, limits);
  return { state: next.state, effects: [...effects, ...next.effects] };
}

function overdue(state: UplinkState, around: Surroundings, limits: UplinkLimits): Transition {
  if (state.phase !== 'open') return unchanged(state);
  const late = state.window.some(({ acked, sentAt }) => !acked && around.now - sentAt > limits.ackTimeout);
  if (!late) return unchanged(state);
  const next = closed(state, 'the hub did not acknowledge in time', around, limits);
  return { state: next.state, effects: [{ type: 'close' }, ...next.effects] };
}
