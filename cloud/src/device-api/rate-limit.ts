/**
 * A token bucket for each caller: `burst` at once, then `perMinute`. Callers that have filled up again are forgotten,
 * and of more than `callersMax` the one that has been quiet longest is.
 */
export interface RateLimit {
  burst: number;
  perMinute: number;
  callersMax: number;
}

export class RateLimiter {
  #limit: RateLimit;
  /** In order of last use. */
  #buckets = new Map<string, { left: number; at: number }>();

  constructor(limit: RateLimit) {
    this.#limit = limit;
  }

  /** @param now ms; never goes back. @returns milliseconds to wait; 0: go ahead */
  take(caller: string, now: number): number {
    const { burst, perMinute, callersMax } = this.#limit;
    const bucket = this.#buckets.get(caller) ?? { left: burst, at: now };
    this.#buckets.delete(caller);
    if (this.#buckets.size >= callersMax) this.#buckets.delete(this.#buckets.keys().next().value!);
    const left = Math.min(burst, bucket.left + ((now - bucket.at) * perMinute) / 60_000);
    const allowed = left >= 1;
    this.#buckets.set(caller, { left: allowed ? left - 1 : left, at: now });
    return allowed ? 0 : Math.ceil(((1 - left) * 60_000) / perMinute);
  }
}
