import type { DeadLetter, Deployed, FoldEvent, StepOutput } from '@weir/runtime';
import type { Settled } from './step-commit.ts';

/** What came to the functions beside readings. */
export interface OfferedEvent {
  event: FoldEvent;
  /** Names it for ever: the ids of outputs derive from it. */
  position: string;
  /**
   * Rows that are removed in the transaction that holds what the event brings about; where it depends on that, what
   * becomes of them. `output` undefined: no function took the event.
   */
  settled?: Settled | ((output: StepOutput | undefined) => Settled);
  /** Asked for by what runs then: a letter to be kept with it. */
  letter?: (deployed: readonly Deployed[]) => DeadLetter | undefined;
}

export interface PendingEvent extends OfferedEvent {
  /** It is committed. */
  done: () => void;
}

/** Events in the order in which they came, until they are committed. */
export class EventQueue {
  #waiting: PendingEvent[] = [];
  #underCommit = new Set<PendingEvent>();
  #rejects = new Map<PendingEvent, (error: Error) => void>();

  get hasEvents(): boolean {
    return this.#waiting.length > 0;
  }

  /** Resolves when it is committed. */
  add(offered: OfferedEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      const pending = {
        ...offered,
        done: () => {
          this.#underCommit.delete(pending);
          this.#rejects.delete(pending);
          resolve();
        },
      };
      this.#rejects.set(pending, reject);
      this.#waiting.push(pending);
    });
  }

  take(): PendingEvent {
    const next = this.#waiting.shift()!;
    this.#underCommit.add(next);
    return next;
  }

  /** Those that were taken and not committed come first again. */
  rewind(): void {
    this.#waiting.unshift(...this.#underCommit);
    this.#underCommit.clear();
  }

  rejectAll(error: Error): void {
    this.#waiting = [];
    this.#underCommit.clear();
    for (const reject of this.#rejects.values()) reject(error);
    this.#rejects.clear();
  }
}
