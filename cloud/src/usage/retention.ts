/** Forgets what functions used long ago. */
import type { Clock } from '../clock/clock.ts';
import type { Logger } from '../logger.ts';
import type { Store } from '../store/store.ts';
import { dayOf, forgetUsage } from './ledger.ts';

export interface UsageRetentionPorts {
  store: Store;
  clock: Clock;
  logger: Logger;
}

/** A day of sums goes at a time. */
const LOOK_MS = 3_600_000;

export class UsageRetention {
  readonly #ports: UsageRetentionPorts;
  readonly #keepMs: number;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(ports: UsageRetentionPorts, keepMs: number) {
    this.#ports = ports;
    this.#keepMs = keepMs;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { store, clock, logger } = this.#ports;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await forgetUsage(store, dayOf(clock.now() - this.#keepMs));
      } catch (error) {
        logger.warn({ error: (error as Error).message }, 'old sums of what functions used could not be forgotten');
      }
      await clock.sleep(LOOK_MS, signal);
    }
  }
}
