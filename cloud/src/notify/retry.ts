/** Fast once, for a receiver that restarts; then ever slower, for one that is down. After the last: the last again. */
const DELAYS_MS = [1_000, 5_000, 30_000, 2 * 60_000, 5 * 60_000, 30 * 60_000];
/** A receiver that says "in a year" is not believed. */
const RETRY_AFTER_MS_MAX = 3_600_000;
/** Over a long weekend; then it is dropped, counted and logged. */
export const GIVE_UP_MS = 3 * 86_400_000;

/**
 * @param failures in a row, 1 after the first
 * @param retryAfterMs what the receiver asked for
 * @param chance in [0, 1): up to a fifth is added, so that many hubs do not come back as one
 */
export function retryDelayMs(failures: number, retryAfterMs: number | undefined, chance: number): number {
  const delay = DELAYS_MS[Math.min(failures, DELAYS_MS.length) - 1]!;
  const asked = Math.min(retryAfterMs ?? 0, RETRY_AFTER_MS_MAX);
  return Math.round(Math.max(delay, asked) * (1 + chance / 5));
}
