/** Whether an answer is worth another attempt, and when. */

/** A blip is over by then. */
const BACKOFF_MS = 500;
const BACKOFF_MS_MAX = 60_000;
/** A destination that says "in a year" is not believed. */
export const RETRY_AFTER_MS_MAX = 300_000;

/** The destination says itself that it could not just now. @see RFC 9110 section 15, RFC 6585, RFC 8470 section 5.2 */
export function isRetryable(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

export interface FailedAttempt {
  /** Attempts so far, 1 after the first. */
  attempts: number;
  /** What the destination asked for. */
  retryAfterMs?: number | undefined;
  /** In [0, 1). */
  chance: number;
}

/**
 * Full jitter: anywhere up to a bound that doubles.
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function retryDelayMs({ attempts, retryAfterMs = 0, chance }: FailedAttempt): number {
  const bound = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** (attempts - 1));
  return Math.round(bound * chance) + Math.min(retryAfterMs, RETRY_AFTER_MS_MAX);
}

/** Seconds, or a date. @see RFC 9110 section 10.2.3 */
export function parseRetryAfter(text: string | null | undefined, now: number): number | undefined {
  if (text === null || text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  if (!/^[A-Z][a-z]{2}/.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
