import type { DeadLetter, Deployed, FoldEvent } from '@weir/runtime';
import type { Change } from '../store/store.ts';

/** What came to the functions of a device beside readings. */
export interface OfferedEvent {
  device: string;
  event: FoldEvent;
  /** Names it for ever: the ids of outputs derive from it. */
  position: string;
  /** Asked for when it has run: what goes with what it brought about, e.g. the removal of what stood for it. */
  settles?: () => OnceChanges;
  /** Asked for by what should run then: a letter to be kept with it. */
  letter?: (deployed: readonly Deployed[]) => DeadLetter | undefined;
  /** Asked before it is run: no longer, when another worker has done it. Default: it is. */
  isDue?: () => boolean;
}

/** Changes that hold once: they belong into the write of what caused them. */
export interface OnceChanges {
  changes: Change[];
  committed?: () => void;
}

export interface PendingEvent extends OfferedEvent {
  /** Runs that failed by a fault of the host. */
  failures: number;
  done: () => void;
  reject: (error: Error) => void;
}

/** Events of one partition in the order in which they came, until they are committed. */
export class EventQueue {
  #waiting: PendingEvent[] = [];

  get length(): number {
    return this.#waiting.length;
  }

  /** The one to be run next; it stays until it is done. */
  get first(): PendingEvent | undefined {
    return this.#waiting[0];
  }

  /** Resolves when it is done. */
  add(offered: OfferedEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      const pending = {
        ...offered,
        failures: 0,
        reject,
        done: () => {
          this.#waiting = this.#waiting.filter((each) => each !== pending);
          resolve();
        },
      };
      this.#waiting.push(pending);
    });
  }

  rejectAll(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
