import type { Clock } from '../clock/clock.ts';

/** When functions and rules look next at what is due, of themselves. */
export class Ticking {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #everyMs: number;
  #nextAt = 0;

  constructor(clock: Pick<Clock, 'now'>, everyMs: number) {
    this.#clock = clock;
    this.#everyMs = everyMs;
  }

  /** They have looked. */
  done(): void {
    this.#nextAt = this.#clock.now() + this.#everyMs;
  }

  /** 0: now. A clock that was set back must not keep them from what is due until it is where it was. */
  get waitMs(): number {
    const waitMs = this.#nextAt - this.#clock.now();
    return waitMs > this.#everyMs ? 0 : Math.max(0, waitMs);
  }
}
