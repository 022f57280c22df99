/** Spreads over time what comes in a burst, for each of many. @see ITU-T I.371, the generic cell rate algorithm */
export class Pacer {
  readonly #intervalMs: number;
  /** When the next of each would come if they were evenly spread. */
  readonly #nextAt = new Map<string, number>();

  /** @param perSecond in the long run; so many may also come at once */
  constructor(perSecond: number) {
    this.#intervalMs = 1_000 / perSecond;
  }

  /** @returns when the next may come, ms since epoch; now or later */
  next(key: string, now: number): number {
    const at = Math.max(now, this.#nextAt.get(key) ?? 0);
    if (this.#nextAt.size >= KEYS_MAX) this.#forget(now);
    this.#nextAt.set(key, at + this.#intervalMs);
    // One second of them is let through at once.
    return Math.max(now, at + this.#intervalMs - 1_000);
  }

  #forget(now: number): void {
    for (const [key, at] of this.#nextAt) if (at <= now) this.#nextAt.delete(key);
  }
}

/** Then those that came to rest are forgotten. */
const KEYS_MAX = 10_000;
