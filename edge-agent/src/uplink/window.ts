/**
 * What is on its way: at most a window of batches, of which urgent lanes have places of their own, and as many bytes
 * of readings as the line shows that it takes.
 *
 * Batches are numbered by their sending. Within a lane the outbox is told only of what is acknowledged without a hole
 * before it. When the connection ends the window is forgotten, and what was in it is read from the outbox again: the
 * hub drops what it has twice.
 */
import { type BacklogPace, LANES, type Lane } from '@weir/protocols';
import type { BatchRoom, UplinkBatch } from '../outbox/batches.ts';
import { ackTimeoutOf, batchBytesOf, paceAfterAck } from './pace.ts';
import {
  isUp,
  type Transition,
  type UplinkEffect,
  type UplinkEvent,
  type UplinkLimits,
  type UplinkState,
} from './state.ts';
import { isYielding, RESTED_ROWS, yieldingAfter } from './yielding.ts';

/** A hub whose workers are slow says so about once a second. */
const PACE_HOLDS_MS = 5_000;
/** An outbox that could not be read is not asked again at once. */
const AGAIN_MS = 1_000;

export function changed(state: UplinkState, now: number, limits: UplinkLimits): Transition {
  return state.more ? { state, effects: [] } : load({ ...state, more: true }, now, limits);
}

/** Asks the outbox for what there is room for, if it may have something. */
export function load(before: UplinkState, now: number, limits: UplinkLimits): Transition {
  const { connection } = before;
  if (!isUp(before) || before.loading !== undefined || !before.more || before.window.length >= limits.windowBatches) {
    return { state: before, effects: [] };
  }
  const state = { ...before, allowance: allowanceOf(before, now, limits) };
  const room = roomIn(state, now, limits);
  // What enters the outbox from now on may be missed by this look.
  return {
    state: {
      ...state,
      loading: { connection, ...lookedFor(room), at: now },
      more: false,
      again: againAt(state, now, limits),
    },
    effects: [{ type: 'load', connection, cursors: { ...state.cursors }, room }],
  };
}

function lookedFor({ readings, withoutLive, backfill }: BatchRoom) {
  return { live: readings > 0 && !withoutLive, backfill: readings > 0 && backfill > 0 };
}

function roomIn(state: UplinkState, now: number, limits: UplinkLimits): BatchRoom {
  const { window, pace, allowance } = state;
  const total = limits.windowBatches - window.length;
  const waiting = (lane: Lane) => window.filter((batch) => batch.lane === lane).length;
  // The last place is for an alert, and one before it for a report: readings that never end must not keep them.
  const others = total - 1;
  const places = Math.max(0, waiting('report') > 0 ? others : others - 1);
  const inFlight = readingsIn(state);
  const isRested = isYielding(state.yielding, now);
  const usualBytes = batchBytesOf(pace, limits);
  const fitting =
    inFlight === 0 ? Math.max(1, pace.windowBytes / usualBytes) : (pace.windowBytes - inFlight) / usualBytes;
  const readings = Math.max(0, Math.min(places, Math.floor(fitting)));
  const backfillItems = backfillItemsOf(state, allowance.items, now, limits);
  const isWanted = backlogHeldUntil(state, now) === undefined;
  const mayBackfill = isWanted && backfillItems !== 0 && waiting('backfill') < limits.backfillBatches;
  return {
    total,
    others,
    readings,
    ...(now < state.gatherUntil.live && { withoutLive: true }),
    report: Math.max(0, limits.reportBatches - waiting('report')),
    // One at a time: to cut the next is work, and fresh readings must not wait behind more of it than needed.
    backfill: mayBackfill ? 1 : 0,
    // Nor behind the cutting of any of it, but for once: what is fresh may never end.
    backfillAlone: !state.yielding.wasLeftOut,
    batchBytes: batchBytesOf(pace, limits, isRested),
    ...(isRested && { backfillRows: RESTED_ROWS }),
    ...(backfillItems !== undefined && { backfillItems }),
  };
}

/** Undefined: as many as the line takes. */
function backfillItemsOf(
  { backlogAtATime }: UplinkState,
  allowed: number,
  now: number,
  limits: UplinkLimits,
): number | undefined {
  const byRate = limits.backfillPerSecond === undefined ? undefined : Math.floor(allowed);
  const byHub = backlogAtATime !== undefined && now < backlogAtATime.until ? backlogAtATime.items : undefined;
  return byRate === undefined || byHub === undefined ? (byRate ?? byHub) : Math.min(byRate, byHub);
}

/** Bytes of readings that are unacknowledged. */
function readingsIn({ window }: UplinkState): number {
  return window.reduce((sum, { lane, bytes, acked }) => sum + (!acked && isReadings(lane) ? bytes : 0), 0);
}

function isReadings(lane: Lane): boolean {
  return lane === 'live' || lane === 'backfill';
}

function allowanceOf({ allowance }: UplinkState, now: number, { backfillPerSecond = 0 }: UplinkLimits) {
  const more = (Math.max(0, now - allowance.at) * backfillPerSecond) / 1_000;
  return { items: Math.min(backfillPerSecond, allowance.items + more), at: now };
}

/** When what this look holds back may go, of either lane: the one that may be first. */
function againAt(state: UplinkState, now: number, { backfillPerSecond }: UplinkLimits): number | undefined {
  const { gatherUntil, allowance } = state;
  const live = now < gatherUntil.live ? gatherUntil.live : undefined;
  const needsAllowance = backfillPerSecond !== undefined && allowance.items < 1;
  const backfill =
    backlogHeldUntil(state, now) ??
    (needsAllowance ? now + Math.ceil((1_000 * (1 - allowance.items)) / backfillPerSecond) : undefined);
  return live === undefined || backfill === undefined ? (live ?? backfill) : Math.min(live, backfill);
}

/** Undefined: the backlog may go, as far as its rate allows. With what was gathered goes what there is of it. */
function backlogHeldUntil({ gatherUntil, backlogWaitsUntil, yielding }: UplinkState, now: number): number | undefined {
  const gathered = Math.min(gatherUntil.live, gatherUntil.backfill);
  return [gathered, backlogWaitsUntil, yielding.restsUntil].find((until) => until !== undefined && now < until);
}

export function loaded(
  state: UplinkState,
  event: Extract<UplinkEvent, { type: 'loaded' }>,
  now: number,
  limits: UplinkLimits,
): Transition {
  const { loading } = state;
  if (loading === undefined || loading.connection !== event.connection) return { state, effects: [] };
  const answered = { ...state, loading: undefined };
  // Cut for a connection that is no more.
  if (!isUp(state) || event.connection !== state.connection) return load({ ...answered, more: true }, now, limits);
  const { batches, heldUntil } = event;
  if (batches === undefined) return { state: { ...answered, again: now + AGAIN_MS }, effects: [] };
  const effects: UplinkEffect[] = [];
  const window = [...state.window];
  const cursors = { ...state.cursors };
  const allowance = { ...state.allowance };
  let number = state.nextNumber;
  for (const batch of batches) {
    const { lane, seq, count, payload } = batch;
    cursors[lane] = seq + count;
    if (lane === 'backfill') allowance.items -= count;
    window.push({ number, lane, from: seq, through: seq + count, bytes: payload.length, sentAt: now, acked: false });
    effects.push({ type: 'send', connection: state.connection, number: number++, batch });
  }
  // After something there may be more; after nothing, `changed` will tell.
  const more = state.more || batches.length > 0;
  const gatherUntil = gatheringAfter(state, loading, batches, now + limits.gather);
  const again = heldUntil ?? state.again;
  // What is gathered is in no hurry.
  const isFresh = limits.gather === 0 && batches.some(({ lane }) => lane === 'live');
  const yielding = yieldingAfter(state.yielding, { tookMs: now - loading.at, batches, isFresh }, now);
  const { restsUntil } = yielding;
  if (restsUntil !== state.yielding.restsUntil) effects.push({ type: 'remind', ms: restsUntil - now });
  const next = load(
    { ...answered, window, cursors, allowance, nextNumber: number, more, gatherUntil, again, yielding },
    now,
    limits,
  );
  return { state: next.state, effects: [...effects, ...next.effects] };
}

/** What was looked for and not found is all sent: what comes now is gathered. Beside others it may have had no place. */
function gatheringAfter(
  { gatherUntil }: UplinkState,
  looked: NonNullable<UplinkState['loading']>,
  batches: readonly UplinkBatch[],
  until: number,
): UplinkState['gatherUntil'] {
  if (batches.length > 0) return gatherUntil;
  const { live, backfill } = gatherUntil;
  return { live: looked.live ? until : live, backfill: looked.backfill ? until : backfill };
}

export function acked(before: UplinkState, number: number, now: number, limits: UplinkLimits): Transition {
  const batch = before.window.find((each) => each.number === number);
  if (batch === undefined || batch.acked) return { state: before, effects: [] };
  const others = isReadings(batch.lane) ? 0 : batch.bytes;
  const inFlightBytes = readingsIn(before) + others;
  const pace = paceAfterAck(before.pace, { sentAt: batch.sentAt, bytes: batch.bytes, inFlightBytes }, now, limits);
  let window = before.window.map((each) => (each.number === number ? { ...each, acked: true } : each));
  const effects: UplinkEffect[] = [];
  for (const lane of LANES) {
    let through: number | undefined;
    for (let head = window.find((each) => each.lane === lane); head?.acked; ) {
      through = head.through;
      const done = head.number;
      window = window.filter((each) => each.number !== done);
      head = window.find((each) => each.lane === lane);
    }
    if (through !== undefined) effects.push({ type: 'acknowledge', lane, through });
  }
  // Room in the window: what was left behind for want of it may go.
  const next = load({ ...before, window, pace, lastAckAt: now, attempt: 0, more: true }, now, limits);
  return { state: next.state, effects: [...effects, ...next.effects] };
}

/** The line is dead, whatever TCP says: nothing was acknowledged for long, or one thing never is. */
export function isOverdue({ window, pace, lastAckAt }: UplinkState, now: number, limits: UplinkLimits): boolean {
  const timeout = ackTimeoutOf(pace, limits);
  return window.some(
    ({ acked, sentAt }) =>
      !acked && (now - Math.max(sentAt, lastAckAt) > timeout || now - sentAt > limits.ackTimeoutMax),
  );
}

/** The hub says how its workers do with the backlog. A look that is under way may still bring one batch of it. */
export function paced(
  before: UplinkState,
  { backlogWaitMs, backlogItems: items }: BacklogPace,
  now: number,
  limits: UplinkLimits,
): Transition {
  const backlogAtATime = items === undefined ? undefined : { items, until: now + PACE_HOLDS_MS };
  const state = { ...before, backlogAtATime };
  if (backlogWaitMs === 0) return load({ ...state, backlogWaitsUntil: undefined, more: true }, now, limits);
  const backlogWaitsUntil = now + backlogWaitMs;
  return {
    state: { ...state, backlogWaitsUntil, again: Math.min(before.again ?? backlogWaitsUntil, backlogWaitsUntil) },
    effects: [],
  };
}

/** What was held back until now may go. */
export function lookAgain(state: UplinkState, now: number, limits: UplinkLimits): Transition {
  if (state.again === undefined || now < state.again) return { state, effects: [] };
  return load({ ...state, again: undefined, more: true }, now, limits);
}
