/** Who waits between attempts, until a test lets them go on. */
export class Sleepers {
  #all: { ms: number; wake: () => void }[] = [];

  /** To be given to what sleeps. */
  readonly sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const sleeper = { ms, wake: resolve };
      this.#all.push(sleeper);
      signal?.addEventListener('abort', () => {
        this.#all = this.#all.filter((each) => each !== sleeper);
        resolve();
      });
    });

  get count(): number {
    return this.#all.length;
  }

  /** The one that fell asleep last; it goes on when it is told to. */
  take(): { ms: number; wake: () => void } {
    return this.#all.pop()!;
  }
}
