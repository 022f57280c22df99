/**
 * How fast one connection may bring packets. What has been read is taken; what it cost too much is waited for before
 * more is read, so that nothing is dropped and the rest of it stays with the device.
 */
export interface ThrottleLimits {
  packetsPerS: number;
  bytesPerS: number;
}

/** So much may come at once after a silence. */
const BURST_MS = 1_000;
/** More is not owed for one read: the clock was set back. */
const DEBT_MS_MAX = 60_000;

export class Throttle {
  readonly #limits: ThrottleLimits;
  /** What has come would have been fine by then, ms since epoch. */
  #fineAt = 0;

  constructor(limits: ThrottleLimits) {
    this.#limits = limits;
  }

  spend(packets: number, bytes: number, now: number): void {
    const { packetsPerS, bytesPerS } = this.#limits;
    const costMs = 1_000 * Math.max(packets / packetsPerS, bytes / bytesPerS);
    const from = this.#fineAt > now + DEBT_MS_MAX ? now : Math.max(this.#fineAt, now - BURST_MS);
    this.#fineAt = from + costMs;
  }

  /** How long nothing more is to be read. */
  waitMs(now: number): number {
    return this.#fineAt > now + DEBT_MS_MAX ? 0 : Math.max(0, this.#fineAt - now);
  }
}
