/** Wakes readers that wait at the end of a partition. */
export class Wake {
  #version = 0;
  #sleepers = new Set<() => void>();

  /** Changes with each `ring`; read it before looking for records, so that one appended meanwhile is not slept over. */
  get version(): number {
    return this.#version;
  }

  ring(): void {
    this.#version++;
    for (const wake of [...this.#sleepers]) wake();
  }

  /** Resolves when rung since `version`, after `waitMs`, or when aborted. */
  sleep(version: number, waitMs: number, signal?: AbortSignal): Promise<void> {
    if (version !== this.#version || waitMs <= 0 || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#sleepers.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      this.#sleepers.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }
}
