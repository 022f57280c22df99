/**
 * How much may be on its way, and how long an acknowledgement may take: both follow what the line shows.
 *
 * The window of bytes grows while acknowledgements come about as soon as the line allows, and is halved when they come
 * `ackTarget` later than that: then the rest of the window waits somewhere on its way, and an alert sent now would wait
 * behind it. So a fast line is filled, and on a thin one what is on its way takes seconds, not minutes. @see RFC 5681
 *
 * The time-out is that of RFC 6298, between a floor and a cap; it doubles with each connection on which nothing was
 * acknowledged in time, and batches are small then: a line that lets one small batch through within the cap is used.
 */
export interface PaceLimits {
  /** Bytes of a batch: at the beginning and on a thin line; and at most. */
  batchBytesMin: number;
  batchBytesMax: number;
  /** Unacknowledged at most, in number. */
  windowBatches: number;
  /** How much later than the line allows acknowledgements of readings may come, ms. */
  ackTarget: number;
  /** ms */
  ackTimeoutMin: number;
  ackTimeoutMax: number;
}

export interface Pace {
  /** Bytes of readings that may be unacknowledged. */
  windowBytes: number;
  /** Until this many the window doubles with each round trip, then it grows by one small batch. */
  thresholdBytes: number;
  /** Of this connection, ms; undefined: nothing was acknowledged yet. */
  roundTrip: { fastest: number; smoothed: number; variation: number } | undefined;
  /** Of what was sent before that, the window has been made smaller already. */
  halvedAt: number;
  /** Connections in a row that ended by a time-out. */
  timeouts: number;
}

/** A batch is a quarter of the window: on its way are several, so that the line is never idle between two. */
const BATCHES_PER_WINDOW = 4;
/** Where there is a rest after each batch, there is one on its way: it is larger, and shows as much of the line. */
const RESTED_BATCHES_PER_WINDOW = 2;
/** Of the window, so much must have been on its way for the line to have been tried: half, and what a batch is short of it. */
const TRIED = 3 / 8;
/** @see RFC 6298 section 2 */
const SMOOTHING = 1 / 8;
const VARIATION_SMOOTHING = 1 / 4;
const VARIATIONS = 4;
const TIMEOUTS_MAX = 16;

export function initialPace(limits: PaceLimits, timeouts = 0): Pace {
  const windowBytes = limits.batchBytesMin * BATCHES_PER_WINDOW;
  return {
    windowBytes,
    thresholdBytes: Number.POSITIVE_INFINITY,
    roundTrip: undefined,
    halvedAt: Number.NEGATIVE_INFINITY,
    timeouts,
  };
}

/** Bytes of the next batch. @param isRested after each there is a rest */
export function batchBytesOf(
  { windowBytes }: Pace,
  { batchBytesMin, batchBytesMax }: PaceLimits,
  isRested = false,
): number {
  const perWindow = isRested ? RESTED_BATCHES_PER_WINDOW : BATCHES_PER_WINDOW;
  return Math.max(batchBytesMin, Math.min(batchBytesMax, Math.floor(windowBytes / perWindow)));
}

/** How long nothing may be acknowledged while something is unacknowledged, ms. */
export function ackTimeoutOf({ roundTrip, timeouts }: Pace, { ackTimeoutMin, ackTimeoutMax }: PaceLimits): number {
  if (roundTrip === undefined && timeouts === 0) return ackTimeoutMax;
  const usual = roundTrip === undefined ? 0 : roundTrip.smoothed + VARIATIONS * roundTrip.variation;
  return Math.min(ackTimeoutMax, Math.max(ackTimeoutMin, usual) * 2 ** Math.min(timeouts, TIMEOUTS_MAX));
}

export interface Acknowledged {
  sentAt: number;
  bytes: number;
  /** Bytes of readings that were unacknowledged just before, this one's too. */
  inFlightBytes: number;
}

export function paceAfterAck(pace: Pace, batch: Acknowledged, now: number, limits: PaceLimits): Pace {
  const took = Math.max(0, now - batch.sentAt);
  const roundTrip = measured(pace.roundTrip, took);
  const next = { ...pace, roundTrip, timeouts: 0 };
  if (took > roundTrip.fastest + limits.ackTarget) {
    if (batch.sentAt < pace.halvedAt) return next;
    const windowBytes = Math.max(limits.batchBytesMin, Math.floor(pace.windowBytes / 2));
    return { ...next, windowBytes, thresholdBytes: windowBytes, halvedAt: now };
  }
  // A window that was not used tells nothing of what the line would have taken.
  if (batch.inFlightBytes < pace.windowBytes * TRIED) return next;
  const isDoubling = pace.windowBytes < pace.thresholdBytes;
  const more = isDoubling ? batch.bytes : (limits.batchBytesMin * batch.bytes) / pace.windowBytes;
  const windowBytes = Math.min(pace.windowBytes + more, limits.windowBatches * limits.batchBytesMax);
  return { ...next, windowBytes };
}

function measured(before: Pace['roundTrip'], took: number): NonNullable<Pace['roundTrip']> {
  if (before === undefined) return { fastest: took, smoothed: took, variation: took / 2 };
  const { fastest, smoothed, variation } = before;
  return {
    fastest: Math.min(fastest, took),
    smoothed: smoothed + SMOOTHING * (took - smoothed),
    variation: variation + VARIATION_SMOOTHING * (Math.abs(took - smoothed) - variation),
  };
}
