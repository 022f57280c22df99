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
    return this.#addresses.take(networkOf(address), this.#time());
  }

  ofKey(id: string): number {
    return this.#keys.take(id, this.#time());
  }

  ofFailure(address: string): number {
    return this.#failures.take(networkOf(address), this.#time());
  }

  #time(): number {
    this.#latest = Math.max(this.#latest, this.#now());
    return this.#latest;
  }
}

/** What one caller has: an address, of IPv6 the 2^64 that are given to each network. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [begin = '', end] = address.split('%', 1)[0]!.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const [first, last] = [groups(begin), groups(end ?? '')];
  const zeros = Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => '0');
  const all = end === undefined ? first : [...first, ...zeros, ...last];
  return `${all.slice(0, 4).join(':')}::/64`;
}
