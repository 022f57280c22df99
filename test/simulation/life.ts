/**
 * One run of a program, from its start to its crash. Whatever it does to the world goes through here, so that it can
 * die between any two of these deeds: what it asks for afterwards never happens, and what it waits for never comes.
 */

import type { HubClock } from '@weir/cloud';
import type { Clock } from '@weir/edge-agent';
import type { Timeline } from './timeline.ts';

export class Life {
  readonly name: string;
  readonly #timeline: Timeline;
  readonly #onEnd: () => void;
  #isAlive = true;
  /** Deeds until it dies; undefined: it is not to die. */
  #left: number | undefined;
  readonly #bornAt: number;
  /** Takes from signals what listens to them: Node keeps some signals for as long as anybody does. */
  readonly #deafen = new Set<() => void>();

  constructor(name: string, timeline: Timeline, onEnd: () => void) {
    this.name = name;
    this.#timeline = timeline;
    this.#onEnd = onEnd;
    this.#bornAt = timeline.now;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** To die with the deed after so many more. */
  endAfter(deeds: number): void {
    this.#left = deeds;
  }

  end(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.forget();
    this.#onEnd();
  }

  /** Nobody will hear of it any more, whether it has ended or not. */
  forget(): void {
    for (const deafen of this.#deafen) deafen();
    this.#deafen.clear();
  }

  /** Calls it when the signal is given, as long as anybody hears of this life. @returns a function that ends it before */
  onAbort(signal: AbortSignal, run: () => void): () => void {
    const deafen = () => {
      signal.removeEventListener('abort', run);
      this.#deafen.delete(deafen);
    };
    signal.addEventListener('abort', run);
    this.#deafen.add(deafen);
    return deafen;
  }

  /** To be asked before each deed. @returns false when it does not happen any more */
  act(): boolean {
    if (this.#isAlive && this.#left !== undefined && this.#left-- <= 0) this.end();
    return this.#isAlive;
  }

  /** Something that happens to it later, unless it is dead by then. */
  later(ms: number, run: () => void): () => void {
    return this.#timeline.after(ms, () => {
      if (this.#isAlive) run();
    });
  }

  /** What it waits for; for ever, once it is dead. */
  waitFor<T>(begin: (resolve: (value: T) => void, reject: (error: Error) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.act()) return;
      begin(
        (value) => {
          if (this.#isAlive) resolve(value);
        },
        (error) => {
          if (this.#isAlive) reject(error);
        },
      );
    });
  }

  now(): number {
    return Math.floor(this.#timeline.now);
  }

  agentClock(): Clock {
    return {
      now: () => this.now(),
      monotonic: () => this.#timeline.now - this.#bornAt,
      after: (ms, run) => this.later(ms, run),
      soon: (run) => void this.later(0, run),
    };
  }

  hubClock(): HubClock {
    return {
      now: () => this.now(),
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve();
          const awake = () => {
            cancel();
            deafen?.();
            resolve();
          };
          const cancel = this.later(ms, awake);
          const deafen = signal && this.onAbort(signal, awake);
        }),
    };
  }
}
