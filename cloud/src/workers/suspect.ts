import type { LogRecord } from '../log/log.ts';

/** What is to be done with a record: everything, all but run functions over it, or nothing but keep it aside. */
export type Treatment = 'whole' | 'without-functions' | 'aside';

type Placed = Pick<LogRecord, 'position'>;

/** The record on which a worker fails again and again; it must not hold up those behind it. */
export class Suspect {
  readonly #attemptsMax: number;
  #position: string | undefined;
  #attempts = 0;
  /** As what it was told already. */
  #told = new Set<string>();

  /** @param attemptsMax failures before the record is taken without functions, and again before it is kept aside */
  constructor(attemptsMax: number) {
    this.#attemptsMax = attemptsMax;
  }

  /** Whether there is one; records are then taken one at a time, so that it fails alone. */
  get known(): boolean {
    return this.#position !== undefined;
  }

  failed({ position }: Placed): void {
    if (this.#position !== position) this.clear();
    this.#attempts++;
    this.#position = position;
  }

  clear(): void {
    this.#position = undefined;
    this.#attempts = 0;
    this.#told.clear();
  }

  /** What is told of the record is told once, however often it is tried; where telling failed, it is tried again. */
  async tellOnce({ position }: Placed, reason: string, tell: () => Promise<void>): Promise<void> {
    const isSuspect = this.#position === position;
    if (isSuspect && this.#told.has(reason)) return;
    await tell();
    if (isSuspect) this.#told.add(reason);
  }

  treatmentOf({ position }: Placed): Treatment {
    if (this.#position !== position || this.#attempts < this.#attemptsMax) return 'whole';
    return this.#attempts < 2 * this.#attemptsMax ? 'without-functions' : 'aside';
  }
}
