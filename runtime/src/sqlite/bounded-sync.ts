/**
 * Syncs the log of a database at most every so many milliseconds, for flash that wears out by it.
 *
 *     commit, commit, commit ----- timer: fsync ----- commit …
 *       |       |       |            |
 *     answered at once: what is     answered now: calls whose effect leaves the machine, and would be
 *     killed finds them again       contradicted by what a power cut leaves
 *
 * Decides; `thread-worker.ts` has the timer and the disk.
 */
import type { DatabaseAnswer, DatabaseCall } from './transactions.ts';

export interface BoundedSyncOptions {
  /** Between two syncs at least; what is younger may be lost when the power goes. */
  everyMs: number;
  /** Names of operations that are answered only when everything up to them is synced. */
  awaited: readonly string[];
}

export class BoundedSync {
  readonly #awaited: ReadonlySet<string>;
  #held: DatabaseAnswer = [];
  #isDirty = false;

  constructor({ awaited }: BoundedSyncOptions) {
    this.#awaited = new Set(awaited);
  }

  /** Whether a sync is due within the interval. */
  get isDirty(): boolean {
    return this.#isDirty;
  }

  /**
   * @param wrote whether the transaction changed anything
   * @returns what may be answered now
   */
  committed(calls: readonly DatabaseCall[], answers: DatabaseAnswer, wrote: boolean): DatabaseAnswer {
    this.#isDirty ||= wrote;
    if (!this.#isDirty) return answers;
    const isHeld = (at: number) => this.#awaited.has(calls[at]!.name) && answers[at]!.fault === undefined;
    this.#held.push(...answers.filter((_, at) => isHeld(at)));
    return answers.filter((_, at) => !isHeld(at));
  }

  /** @returns what was held back until now */
  synced(): DatabaseAnswer {
    this.#isDirty = false;
    return this.#held.splice(0);
  }
}
