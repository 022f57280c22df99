/** How often may be asked: token buckets for each address and each key, and for each address that shows no good key. */
import { RateLimiter } from '../device-api/rate-limit.ts';

export interface RateOf {
  burst: number;
  perMinute: number;
}

export interface RequestLimitOptions {
  /** Of one address, with a key or without. */
  perAddress: RateOf;
  /** Of one key, from wherever. */
  perKey: RateOf;
  /** Of one address that shows no key that is good. Whoever shows one is not kept waiting by these. */
  failures: RateOf;
}

/** Addresses and keys remembered; of more, the one that has been quiet longest is forgotten. */
const CALLERS_MAX = 10_000;

export class RequestLimits {
  readonly #addresses: RateLimiter;
  readonly #keys: RateLimiter;
  readonly #failures: RateLimiter;
  readonly #now: () => number;
  /** The buckets want a clock that never goes back. */
  #latest = 0;

  constructor({ perAddress, perKey, failures }: RequestLimitOptions, now: () => number) {
    this.#addresses = new RateLimiter({ ...perAddress, callersMax: CALLERS_MAX });
    this.#keys = new RateLimiter({ ...perKey, callersMax: CALLERS_MAX });
    this.#failures = new RateLimiter({ ...failures, callersMax: CALLERS_MAX });
    this.#now = now;
  }

  /** A request came. @returns ms to wait; 0: go ahead. So do the others. */
  ofAddress(address: string): number {
    return this.#addresses.take(address, this.#time());
  }

  ofKey(id: string): number {
    return this.#keys.take(id, this.#time());
  }

  ofFailure(address: string): number {
    return this.#failures.take(address, this.#time());
  }

  #time(): number {
    this.#latest = Math.max(this.#latest, this.#now());
    return this.#latest;
  }
}
