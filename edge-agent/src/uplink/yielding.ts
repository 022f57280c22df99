/**
 * How the backlog makes way for what is fresh, on the device itself: both are cut by the one thread of the database, which
 * makes readings durable as well, and both take processor time of whatever else runs here.
 *
 *     look  |--backlog--|           rest            |--backlog--|
 *              took t       4 t, 25 ms at most
 *
 * While fresh readings come, the backlog is looked at a fifth of the time, however fast the machine is and whatever else
 * it has to do: what is fresh mostly finds nobody before it. When none come, the backlog has all of the time.
 */
import type { UplinkBatch } from '../outbox/batches.ts';

export interface Yielding {
  /** When something fresh was handed out last. */
  freshAt: number;
  /** Until then nothing of the backlog is looked for. */
  restsUntil: number;
  /** The last look found something else, and left the backlog out. */
  wasLeftOut: boolean;
}

/** Sensors that measure every few seconds are there all the time; who measures more rarely waits behind a look or two. */
const FRESH_MS = 10_000;
/** The time of a look to the rest after it. */
const REST_TIMES = 4;
/** A card that stalls makes one look take long; the backlog is not to stand still for as long again. */
const REST_MS_MAX = 25;
/** Of one look then. Rows that hold a few readings each take some 30 microseconds, on a fast machine. */
export const RESTED_ROWS = 100;

export function initialYielding(now: number): Yielding {
  return { freshAt: Number.NEGATIVE_INFINITY, restsUntil: now, wasLeftOut: false };
}

/** Fresh readings come: after each look at the backlog there is a rest. */
export function isYielding({ freshAt }: Pick<Yielding, 'freshAt'>, now: number): boolean {
  return now - freshAt < FRESH_MS;
}

/** @param look what it brought, and how long it took */
export function yieldingAfter(
  before: Yielding,
  look: { batches: readonly Pick<UplinkBatch, 'lane'>[]; tookMs: number; isFresh: boolean },
  now: number,
): Yielding {
  const { batches, tookMs, isFresh } = look;
  const freshAt = isFresh ? now : before.freshAt;
  const isBacklog = batches.some(({ lane }) => lane === 'backfill');
  const wasLeftOut = batches.length > 0 && !isBacklog;
  const isResting = isBacklog && isYielding({ freshAt }, now);
  const restMs = isResting ? Math.min(REST_MS_MAX, Math.ceil(tookMs * REST_TIMES)) : 0;
  return { freshAt, wasLeftOut, restsUntil: restMs > 0 ? now + restMs : before.restsUntil };
}
