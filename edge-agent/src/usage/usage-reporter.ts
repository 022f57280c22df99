/** Sees to it that the hub is told what functions use. */
import { type FunctionUsage, mergeUsage } from '@weir/runtime';
import { type Clock, every } from '../clock/clock.ts';
import type { Spool } from '../spool/spool.ts';

export interface UsageReporterPorts {
  spool: Spool;
  clock: Clock;
  isConnected: () => boolean;
  /** Reports entered the outbox. */
  onTold: () => void;
  onFailure: (what: string, error: Error) => void;
}

export class UsageReporter {
  #ports: UsageReporterPorts;
  #intervalMs: number;
  /** Of steps that changed nothing: they are not committed, for an idle device leaves its card alone. */
  #uncommitted: FunctionUsage[] = [];
  #stopBeat = () => {};

  /** @param intervalMs between reports; what a kill takes along is what {@link keep} got within it */
  constructor(ports: UsageReporterPorts, intervalMs: number) {
    this.#ports = ports;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    const { clock, isConnected } = this.#ports;
    this.#stopBeat = every(clock, this.#intervalMs, () => this.#tell(isConnected()));
  }

  /** What was used by steps that changed nothing. */
  keep(used: readonly FunctionUsage[]): void {
    if (used.length > 0) this.#uncommitted = mergeUsage([...this.#uncommitted, ...used]);
  }

  /** Keeps what is at hand for the next run; to be called before the spool is closed. */
  async stop(): Promise<void> {
    this.#stopBeat();
    await this.#tell(false);
  }

  async #tell(isConnected: boolean): Promise<void> {
    const { spool, clock, onTold, onFailure } = this.#ports;
    const used = this.#uncommitted;
    this.#uncommitted = [];
    try {
      if ((await spool.call('tellUsage', used, isConnected, clock.now())) > 0) onTold();
    } catch (error) {
      this.#uncommitted = mergeUsage([...used, ...this.#uncommitted]);
      onFailure('what functions used cannot be kept', error as Error);
    }
  }
}
