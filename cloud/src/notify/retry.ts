/** Of one message that its receiver refuses while it takes others: ever slower. After the last: the last again. */
const MESSAGE_DELAYS_MS = [1_000, 5_000, 30_000, 2 * 60_000, 5 * 60_000, 30 * 60_000];
/** Of a receiver that is not there: somebody may be waiting for an alert, so with the fifth it is 30 s at most. */
const CHANNEL_DELAYS_MS = [1_000, 5_000, 25_000];
/** A receiver that says "in a year" is not believed. */
const RETRY_AFTER_MS_MAX = 3_600_000;
/** Over a long weekend; then it is dropped, counted and logged. */
export const GIVE_UP_MS = 3 * 86_400_000;

export interface Failure {
  /** In a row, 1 after the first. */
  times: number;
  /** What the receiver asked for. */
  retryAfterMs?: number | undefined;
  /** In [0, 1): up to a fifth is added, so that many hubs do not come back as one. */
  chance: number;
}

export function messageDelayMs(failure: Failure): number {
  return delayMs(MESSAGE_DELAYS_MS, failure);
}

export function channelDelayMs(failure: Failure): number {
  return delayMs(CHANNEL_DELAYS_MS, failure);
}

function delayMs(delays: readonly number[], { times, retryAfterMs, chance }: Failure): number {
  const delay = delays[Math.min(times, delays.length) - 1]!;
  const asked = Math.min(retryAfterMs ?? 0, RETRY_AFTER_MS_MAX);
  return Math.round(Math.max(delay, asked) * (1 + chance / 5));
}
