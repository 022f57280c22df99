import type { Clock } from '../clock/clock.ts';

/** Nobody looks at it: without a reason an error is made for each, with its stack. */
const RUNG = 'rung';

/** Wakes readers that wait at the end of a partition. */
export class Wake {
  #clock: Clock;
  #version = 0;
  #sleepers = new Set<AbortController>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Changes with each `ring`; read it before looking for records, so that one appended meanwhile is not slept over. */
  get version(): number {
    return this.#version;
  }

  ring(): void {
    this.#version++;
    for (const sleeper of this.#sleepers) sleeper.abort(RUNG);
  }

  /** Resolves when rung since `version`, after `waitMs`, or when aborted. */
  async sleep(version: number, waitMs: number, signal?: AbortSignal): Promise<void> {
    if (version !== this.#version || waitMs <= 0 || signal?.aborted) return;
    const sleeper = new AbortController();
    const abort = () => sleeper.abort(RUNG);
    this.#sleepers.add(sleeper);
    signal?.addEventListener('abort', abort, { once: true });
    await this.#clock.sleep(waitMs, sleeper.signal);
    signal?.removeEventListener('abort', abort);
    this.#sleepers.delete(sleeper);
  }
}
