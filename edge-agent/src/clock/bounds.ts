/**
 * What answers of the hub say about the time here. An answer tells the hub's time in whole seconds, and it was made
 * somewhere between the question and its arrival, so each bounds wall time less monotonic time from both sides:
 *
 *     monotonic      sentAt ----------- made ----------- receivedAt
 *     the hub                     [ seconds, seconds + 1 )
 *
 * Together they bound it closer than any: asked at the right moments, half of what was left is left after each.
 */

/** Wall time less monotonic time, ms. */
export interface Bounds {
  min: number;
  max: number;
  /** When they held, monotonic. */
  at: number;
}

export interface HubAnswer {
  /** Monotonic, ms. */
  sentAt: number;
  receivedAt: number;
  /** Since 1970, as in a shadow's `timestamp`. */
  seconds: number;
}

const SECOND_MS = 1_000;
/** A quartz keeps within 100 parts in a million, and so does the hub's. */
const DRIFT = 200e-6;
/** Below it, the way to the hub is what makes the difference. */
const CLOSE_MS = 60;

export function boundsOf({ sentAt, receivedAt, seconds }: HubAnswer): Bounds {
  return { min: seconds * SECOND_MS - receivedAt, max: (seconds + 1) * SECOND_MS - sentAt, at: receivedAt };
}

/** What two bounds say together; where they contradict one another a clock was set, and the later ones count. */
export function narrowed(known: Bounds | undefined, fresh: Bounds): Bounds {
  if (known === undefined) return fresh;
  const drift = Math.max(0, fresh.at - known.at) * DRIFT;
  const min = Math.max(known.min - drift, fresh.min);
  const max = Math.min(known.max + drift, fresh.max);
  return min <= max ? { min, max, at: fresh.at } : fresh;
}

export function middle({ min, max }: Bounds): number {
  return Math.round((min + max) / 2);
}

/** The value within them that is nearest. */
export function nearest({ min, max }: Bounds, offset: number): number {
  return Math.min(Math.max(offset, Math.ceil(min)), Math.max(Math.ceil(min), Math.floor(max)));
}

/**
 * How long to wait with the next question, so that its answer is made as a second ends by the middle of the bounds:
 * which second it tells says in which half the truth is.
 *
 * @param monotonic now
 * @param roundTripMs of the last answer
 * @returns undefined: another answer would not say more
 */
export function askAgainMs(bounds: Bounds, monotonic: number, roundTripMs: number): number | undefined {
  const width = bounds.max - bounds.min;
  if (width <= CLOSE_MS || width <= 2 * roundTripMs) return undefined;
  const made = monotonic + middle(bounds) + roundTripMs / 2;
  return (SECOND_MS - (made % SECOND_MS)) % SECOND_MS;
}
