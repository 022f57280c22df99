import type { Clock } from '../clock/clock.ts';
import type { Log } from '../log/log.ts';

const RECORDS_MAX = 500;
/** A trim is a sync of the log's disk, for which those who append wait too: not after each of many short turns. */
const WITHIN_MS = 1_000;

interface TrimmingPorts {
  log: Pick<Log, 'trim'>;
  clock: Pick<Clock, 'now'>;
}

/** Makes a partition of the log forget what was worked off, some at a time. */
export class Trimming {
  readonly #partition: number;
  readonly #ports: TrimmingPorts;
  #records = 0;
  #dueAt = Number.POSITIVE_INFINITY;

  constructor(partition: number, ports: TrimmingPorts) {
    this.#partition = partition;
    this.#ports = ports;
  }

  /** So many more may be forgotten. */
  add(records: number): void {
    if (records === 0) return;
    if (this.#records === 0) this.#dueAt = this.#ports.clock.now() + WITHIN_MS;
    this.#records += records;
  }

  get isDue(): boolean {
    return this.#records >= RECORDS_MAX || this.waitMs === 0;
  }

  /** Until it is due, ms. */
  get waitMs(): number {
    return Math.max(0, this.#dueAt - this.#ports.clock.now());
  }

  /** One that fails is due again a while later. @param position of the last record whose effects are committed */
  async trim(position: string | undefined): Promise<void> {
    this.#records = 0;
    this.#dueAt = Number.POSITIVE_INFINITY;
    if (position === undefined) return;
    try {
      await this.#ports.log.trim(this.#partition, position);
    } catch (error) {
      // Also where no record comes any more: what was worked off takes room.
      this.#dueAt = this.#ports.clock.now() + WITHIN_MS;
      throw error;
    }
  }
}
