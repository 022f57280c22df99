import type { Schedule } from '@weir/protocols';
import { Cron } from 'croner';

/** Tells when a schedule should have run last. */
export class Beat {
  readonly name: string;
  #everyMs: number | undefined;
  #cron: Cron | undefined;

  /** @throws {Error} when the cron pattern or the time zone is none */
  constructor({ name, every, cron, timeZone = 'UTC' }: Schedule) {
    this.name = name;
    this.#everyMs = every;
    if (cron !== undefined) this.#cron = new Cron(cron, { timezone: timeZone, paused: true });
    // A zone that does not exist shows only when it is used.
    this.#cron?.nextRun(new Date(0));
  }

  /**
   * @param now wall time, ms since epoch
   * @returns the latest moment at or before `now` at which it is due; undefined: never yet
   */
  before(now: number): number | undefined {
    if (this.#everyMs !== undefined) return Math.floor(now / this.#everyMs) * this.#everyMs;
    // The library looks for runs before the moment it is given, in whole seconds.
    const [last] = this.#cron!.previousRuns(1, new Date(Math.floor(now / 1000) * 1000 + 1000));
    return last?.getTime();
  }
}
