/**
 * Forgets what is over its time or has no room: some of it at a time, so that workers are never kept waiting by it.
 * What a run leaves, because the hub ended or the store failed, the next one finds.
 */
import type { Clock } from '../clock/clock.ts';
import type { Logger } from '../logger.ts';

/** Forgets one kind of thing; each number is how many the write that has just been made has taken out. */
export interface Sweep {
  what: 'readings' | 'alerts' | 'usage';
  /** The limit at which they go. */
  reason: 'age' | 'bytes';
  run(now: number): AsyncIterable<number>;
}

export interface Forgotten {
  what: Sweep['what'];
  reason: Sweep['reason'];
  count: number;
}

export interface RetentionPorts {
  clock: Clock;
  logger: Logger;
}

/** At most so long anything is kept over its time. What comes in such a time must fit above `store.bytesMax`. */
const LOOK_MS = 600_000;
/** After each write, of a hundred items at most. */
const PAUSE_MS = 10;

export class Retention {
  readonly #ports: RetentionPorts;
  readonly #sweeps: readonly Sweep[];
  readonly #stopping = new AbortController();
  readonly #forgotten: Forgotten[];
  #failures = 0;
  #running: Promise<void> | undefined;

  constructor(ports: RetentionPorts, sweeps: readonly Sweep[]) {
    this.#ports = ports;
    this.#sweeps = sweeps;
    this.#forgotten = sweeps.map(({ what, reason }) => ({ what, reason, count: 0 }));
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when the write under way is done; idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Since the start, by sweep. */
  get forgotten(): readonly Readonly<Forgotten>[] {
    return this.#forgotten;
  }

  get failures(): number {
    return this.#failures;
  }

  async #run(): Promise<void> {
    const { clock } = this.#ports;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      for (const [at, sweep] of this.#sweeps.entries()) await this.#sweep(sweep, this.#forgotten[at]!);
      await clock.sleep(LOOK_MS, signal);
    }
  }

  async #sweep({ what, reason, run }: Sweep, forgotten: Forgotten): Promise<void> {
    const { clock, logger } = this.#ports;
    const { signal } = this.#stopping;
    const before = forgotten.count;
    if (signal.aborted) return;
    try {
      for await (const count of run(clock.now())) {
        forgotten.count += count;
        await clock.sleep(PAUSE_MS, signal);
        if (signal.aborted) break;
      }
    } catch (error) {
      this.#failures++;
      logger.warn({ what, reason, error: (error as Error).message }, 'not all could be forgotten; it is tried again');
    }
    const count = forgotten.count - before;
    if (count === 0) return;
    // Over its time is as it was asked for; out of room is not.
    if (reason === 'age') logger.debug({ what, count }, 'forgotten: over its time');
    else logger.warn({ what, count }, 'forgotten before its time: the store is as large as it may be');
  }
}
