import type { JournalGroup } from '../journal/journal.ts';
import type { Spool } from '../spool/spool.ts';

/**
 * Groups of readings on their way from the journal to the next step: in memory as long as the functions keep up, else
 * read back from the journal.
 */
export class Handoff {
  readonly #spool: Spool;
  readonly #readingsMax: number;
  readonly #onDamaged: (bytes: number) => void;
  #groups: JournalGroup[] = [];
  #readings = 0;
  /** Groups were let go: the journal has them. */
  #behind = true;
  /** Last row that is durable, that was handed to a step. */
  #lastDurable = 0;
  #lastTaken = 0;
  #lastReceivedAt = 0;

  /** @param onDamaged told of the bytes of rows that were damaged, and are not in the journal any more */
  constructor(spool: Spool, readingsMax: number, onDamaged: (bytes: number) => void) {
    this.#spool = spool;
    this.#onDamaged = onDamaged;
    this.#readingsMax = readingsMax;
  }

  get hasReadings(): boolean {
    return this.#groups.length > 0 || (this.#behind && this.#lastTaken < this.#lastDurable);
  }

  /** Rows that are durable and were not handed to a step yet. */
  get lagRows(): number {
    return Math.max(0, this.#lastDurable - this.#lastTaken);
  }

  /** Id of the last row that was handed to a step. */
  get lastTaken(): number {
    return this.#lastTaken;
  }

  /**
   * Up to when all that arrived was handed to steps, ms. With a backlog that is the arrival of the last group taken,
   * whose step has seen to what was due by then: what comes after is for the groups that wait.
   */
  arrivedUntil(now: number): number {
    return this.hasReadings ? Math.min(now, this.#lastReceivedAt) : now;
  }

  /** A group that is durable; groups come in order. */
  offer(group: JournalGroup): void {
    this.#lastDurable = group.id;
    if (this.#readings > this.#readingsMax) this.#behind = true;
    if (!this.#behind) {
      this.#groups.push(group);
      this.#readings += group.columns.index.length;
    }
  }

  /** Begins again after a row, with the journal. */
  rewind(position: number, lastId: number): void {
    this.#groups = [];
    this.#readings = 0;
    this.#behind = true;
    this.#lastTaken = position;
    this.#lastDurable = Math.max(this.#lastDurable, lastId);
  }

  /** @returns the next group; undefined when there was none left to read back */
  async take(): Promise<JournalGroup | undefined> {
    if (this.#groups.length === 0) await this.#readBack();
    const group = this.#groups.shift();
    if (group === undefined) return undefined;
    this.#readings -= group.columns.index.length;
    this.#lastTaken = group.id;
    this.#lastReceivedAt = group.receivedAt;
    return group;
  }

  async #readBack(): Promise<void> {
    const durable = this.#lastDurable;
    const { groups, damagedBytes } = await this.#spool.call('journalAfter', this.#lastTaken, this.#readingsMax);
    if (damagedBytes > 0) this.#onDamaged(damagedBytes);
    for (const group of groups) {
      this.#groups.push(group);
      this.#readings += group.columns.index.length;
      this.#lastDurable = Math.max(this.#lastDurable, group.id);
    }
    // Rows that the card has damaged were taken out: there is nothing to come back for.
    if (groups.length === 0) this.#lastTaken = Math.max(this.#lastTaken, durable);
    // Caught up: what becomes durable from here on is handed over in memory again.
    if ((groups.at(-1)?.id ?? this.#lastTaken) >= this.#lastDurable) this.#behind = false;
  }
}
