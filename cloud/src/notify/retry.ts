/** When something is tried again: anywhere up to a bound that rises, so that many hubs do not come back as one. */

/** Of one message that its receiver refuses while it takes others: ever slower. After the last: the last again. */
const MESSAGE_BOUNDS_MS = [2_000, 10_000, 60_000, 4 * 60_000, 10 * 60_000, 60 * 60_000];
/** Of a receiver that is not there: somebody may be waiting for an alert, so it is asked every half minute at least. */
const CHANNEL_BOUNDS_MS = [2_000, 10_000, 30_000];
/** A receiver that fails at once is not asked without end. */
const LEAST_MS = 100;
/** A receiver that says "in a year" is not believed. */
const RETRY_AFTER_MS_MAX = 3_600_000;

export interface Failure {
  /** In a row, 1 after the first. */
  times: number;
  /** What the receiver asked for: not before that. */
  retryAfterMs?: number | undefined;
  /** In [0, 1). */
  chance: number;
}

export function messageDelayMs(failure: Failure): number {
  return delayMs(MESSAGE_BOUNDS_MS, failure);
}

export function channelDelayMs(failure: Failure): number {
  return delayMs(CHANNEL_BOUNDS_MS, failure);
}

/** Full jitter. @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
function delayMs(bounds: readonly number[], { times, retryAfterMs, chance }: Failure): number {
  const bound = bounds[Math.min(times, bounds.length) - 1]!;
  const asked = Math.min(retryAfterMs ?? 0, RETRY_AFTER_MS_MAX);
  return asked + Math.max(LEAST_MS, Math.round(bound * chance));
}
