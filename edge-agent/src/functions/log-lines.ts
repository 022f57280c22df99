/** What functions log: passed on at a bounded rate, the last lines kept to look at. */
import type { LogLine } from '@weir/runtime';
import type { Clock } from '../clock/clock.ts';

const KEPT = 100;

export class LogLines {
  #clock: Clock;
  #perSecond: number;
  #write: (line: LogLine) => void;
  #last: LogLine[] = [];
  #second = 0;
  #passed = 0;
  #suppressed = 0;

  constructor(clock: Clock, perSecond: number, write: (line: LogLine) => void) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#write = write;
  }

  /** Newest last. */
  get last(): readonly LogLine[] {
    return this.#last;
  }

  /** Lines that were kept back. */
  get suppressed(): number {
    return this.#suppressed;
  }

  add(lines: readonly LogLine[]): void {
    if (lines.length === 0) return;
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#passed = 0;
    }
    for (const line of lines) {
      if (this.#passed++ < this.#perSecond) this.#write(line);
      else this.#suppressed++;
    }
    this.#last = [...this.#last, ...lines.slice(-KEPT)].slice(-KEPT);
  }
}
