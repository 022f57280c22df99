import type { Store } from '../../store/store.ts';
import { countWaiting } from './inbox.ts';

/**
 * How much of what one partition of the log handed on still waits. Over the bound its worker reads no more: what has
 * not been read is safe in the log, and the devices are told when that is full.
 */
export class GatherRoom {
  readonly #store: Store;
  readonly #partition: number;
  readonly #waitingMax: number;
  /** By gatherer: items that wait at most, as far as is known. */
  readonly #waiting = new Map<string, number>();

  /** @param waitingMax items for one gatherer */
  constructor(store: Store, partition: number, waitingMax: number) {
    this.#store = store;
    this.#partition = partition;
    this.#waitingMax = waitingMax;
  }

  /** To be called after a commit. */
  handedOn(gatherer: string, items: number): void {
    // What waits from before this worker is not known yet.
    this.#waiting.set(gatherer, (this.#waiting.get(gatherer) ?? this.#waitingMax) + items);
  }

  /** @returns the gatherers for which too much waits */
  async full(): Promise<ReadonlySet<string>> {
    const full = new Set<string>();
    for (const [gatherer, waiting] of this.#waiting) {
      if (waiting < this.#waitingMax) continue;
      const count = await countWaiting(this.#store, gatherer, this.#partition, this.#waitingMax);
      if (count >= this.#waitingMax) full.add(gatherer);
      this.#waiting.set(gatherer, count);
    }
    return full;
  }
}
