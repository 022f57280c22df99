/** Tells the hub of what was given up, while it listens. Until then ranges grow and are joined, and few reports tell of many. */
import { type Clock, every } from '../clock/clock.ts';
import type { Spool } from '../spool/spool.ts';

export interface GapTellerPorts {
  spool: Pick<Spool, 'call'>;
  clock: Clock;
  isConnected: () => boolean;
  /** There are reports. */
  onTold: () => void;
  onFailure: (what: string, error: Error) => void;
}

export class GapTeller {
  readonly #ports: GapTellerPorts;
  readonly #intervalMs: number;
  #stop = () => {};

  /** @param intervalMs between looks; each tells of a few ranges at most */
  constructor(ports: GapTellerPorts, intervalMs: number) {
    this.#ports = ports;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    this.#stop = every(this.#ports.clock, this.#intervalMs, () => this.#tell());
  }

  stop(): void {
    this.#stop();
  }

  async #tell(): Promise<void> {
    const { spool, clock, isConnected, onTold, onFailure } = this.#ports;
    if (!isConnected()) return;
    try {
      if ((await spool.call('tellGaps', clock.now())) > 0) onTold();
    } catch (error) {
      onFailure('the hub cannot be told of what was given up', error as Error);
    }
  }
}
