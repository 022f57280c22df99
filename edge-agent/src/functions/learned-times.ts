import type { Learned, Stamp } from '../clock/agent-clock.ts';
import type { Clock } from '../clock/clock.ts';

interface PendingLearned {
  learned: Learned;
  resolve: () => void;
  reject: (error: Error) => void;
}

/**
 * The time of functions: that of the agent, but what the agent learned of it counts between two steps only, once all that
 * functions keep has moved along.
 */
export class LearnedTimes {
  #clock: Clock;
  #agentStamp: () => Stamp | undefined;
  #pending: PendingLearned[] = [];

  constructor(clock: Clock, stamp: () => Stamp | undefined) {
    this.#clock = clock;
    this.#agentStamp = stamp;
  }

  /** What is to be taken over next. */
  get next(): Learned | undefined {
    return this.#pending[0]?.learned;
  }

  /** ms since epoch */
  now(): number {
    return this.#pending.reduce((now, { learned }) => now - learned.shift, this.#clock.now());
  }

  /** Undefined: the clock is right. */
  stamp(): Stamp | undefined {
    const stamp = this.#agentStamp();
    return stamp === undefined || this.next === undefined ? stamp : { ...stamp, era: this.next.before };
  }

  /** Resolves when it is taken over. */
  add(learned: Learned): Promise<void> {
    return new Promise((resolve, reject) => this.#pending.push({ learned, resolve, reject }));
  }

  /** The next is taken over, durably. */
  done(): void {
    this.#pending.shift()?.resolve();
  }

  rejectAll(error: Error): void {
    for (const { reject } of this.#pending) reject(error);
  }
}
