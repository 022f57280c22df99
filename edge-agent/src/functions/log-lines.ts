/** What functions log: passed on at a bounded rate, the last lines of each kept to look at. */
import type { LogLine } from '@weir/runtime';
import type { Clock } from '../clock/clock.ts';

/** A line with its number among those of its function since the agent was started. */
export interface NumberedLine extends LogLine {
  n: number;
}

/** Of each function: what a person reads. */
const KEPT_PER_FUNCTION = 100;
/** Of all together; a line has a thousand characters at most. */
const KEPT = 1_000;

export class LogLines {
  #clock: Clock;
  #perSecond: number;
  #pass: (line: NumberedLine) => void;
  /** In the order in which they came. */
  #kept: NumberedLine[] = [];
  /** Lines so far, by function. */
  #counts = new Map<string, number>();
  #second = 0;
  #passed = 0;
  #suppressed = 0;

  constructor(clock: Clock, perSecond: number, pass: (line: NumberedLine) => void) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#pass = pass;
  }

  /** Of all functions, newest last. */
  get last(): readonly NumberedLine[] {
    return this.#kept;
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
      const n = this.#counts.get(line.fold) ?? 0;
      this.#counts.set(line.fold, n + 1);
      const numbered = { ...line, n };
      this.#kept.push(numbered);
      if (this.#passed++ < this.#perSecond) this.#pass(numbered);
      else this.#suppressed++;
    }
    // Now and then, for it looks at each.
    if (this.#kept.length > 2 * KEPT) this.#trim();
  }

  #trim(): void {
    const isKept = ({ fold, n }: NumberedLine) => n >= this.#counts.get(fold)! - KEPT_PER_FUNCTION;
    this.#kept = this.#kept.filter(isKept).slice(-KEPT);
  }
}
