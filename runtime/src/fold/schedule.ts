import type { Schedule } from '@weir/protocols';
import { Cron } from 'croner';

/** Tells when a schedule should have run last. */
export class Beat {
  readonly name: string;
  /** Moves with the readings, not with the clock. */
  readonly inEventTime: boolean;
  #everyMs: number | undefined;
  #cron: Cron | undefined;
  /** A run and the one that follows: a calendar is looked through once for each run, and not with each tick. */
  #span = { last: Number.POSITIVE_INFINITY, next: Number.POSITIVE_INFINITY };

  /** @throws {Error} when the cron pattern or the time zone is none */
  constructor({ name, every, cron, timeZone = 'UTC', time }: Schedule) {
    this.name = name;
    this.inEventTime = time === 'event';
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
    if (now >= this.#span.last && now < this.#span.next) return this.#span.last;
    // The library looks for runs before the moment it is given, in whole seconds.
    const [last] = this.#cron!.previousRuns(1, new Date(Math.floor(now / 1000) * 1000 + 1000));
    if (last === undefined) return undefined;
    this.#span = { last: last.getTime(), next: this.#cron!.nextRun(last)?.getTime() ?? Number.POSITIVE_INFINITY };
    return this.#span.last;
  }

  /** For each of the moments the latest run at or before it, each once, ascending; undefined for what needs no calendar. */
  marks(moments: Float64Array): number[] | undefined {
    if (this.#cron === undefined) return undefined;
    const marks: number[] = [];
    for (const moment of moments.slice().sort()) {
      const last = this.before(moment);
      if (last !== undefined && last !== marks.at(-1)) marks.push(last);
    }
    return marks;
  }
}
