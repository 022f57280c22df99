/**
 * Which values a series has had: those of a machine that is on or off are near one of two, and what is between them is as odd
 * as what is beyond. Kept are cells of equal width, a power of two, and in how many slots each has been visited of late.
 *
 *     | 31 44 12 |          | 40 22 |        visits
 *         off       never       on           a value here is as far off as the nearest known cell
 */
import { CELLS, type Memory } from './memory.ts';

/** Of a cell and its neighbours, together, for its values to be known: one slot may have been bad. */
const VISITS_MIN = 1.5;
const VISITS_MAX = 64;
/** A period later. What was always there is forgotten in two months, what was there twice in some days. */
const KEPT = 0.95;
const FORGOTTEN = 0.1;
/** Cells are halved when all that were visited are so few. */
const FEW = 24;
/** None is narrower than this share of a value. */
const SHARE_MIN = 1e-6;
const WIDTH_MIN = 1e-12;
/** A value beyond widens what was visited by so much of it, and no more: a glitch may be a thousand times as large. */
const WIDEN_SHARE = 0.25;
/** Cells are a 64th to a 24th of what is known. */
const MARGIN = 1 / 12;
/** Of visits, in what is a tail. */
const TAIL_SHARE = 0.05;
const TAIL_FACTOR = 0.75;
const BITS = 32;

export class Seen {
  readonly #memory: Memory;
  #known = new Uint8Array(CELLS);
  #span = 0;
  /** Between them is all but the tails, in numbers of cells; and how long these are. */
  #core: [first: number, last: number] = [0, 0];
  #tails: [below: number, above: number] = [0, 0];

  constructor(memory: Memory) {
    this.#memory = memory;
    this.#refresh();
  }

  /** From the least to the greatest value that is known; 0: none is. */
  get span(): number {
    return this.#span;
  }

  /** How far the value is from the nearest that is known, upwards positive; 0 where it is, or none is. */
  beyond(value: number): number {
    const { cellWidth, cellFirst } = this.#memory.scalars;
    if (this.#span === 0) return 0;
    const at = Math.floor(value / cellWidth) - cellFirst;
    if (this.#known[at] === 1) return 0;
    let [below, above] = [Math.min(at, CELLS) - 1, Math.max(at, -1) + 1];
    while (below >= 0 && this.#known[below] === 0) below--;
    while (above < CELLS && this.#known[above] === 0) above++;
    const up = below < 0 ? Number.POSITIVE_INFINITY : value - (cellFirst + below + 1) * cellWidth;
    const down = above >= CELLS ? Number.POSITIVE_INFINITY : (cellFirst + above) * cellWidth - value;
    return up <= down ? up : -down;
  }

  /** What it may be beyond, at least: some of what is known, and as far again as the tail on that side reaches. */
  margin(value: number): number {
    const { cellWidth, cellFirst } = this.#memory.scalars;
    const at = Math.floor(value / cellWidth) - cellFirst;
    const tail = at > this.#core[1] ? this.#tails[1] : at < this.#core[0] ? this.#tails[0] : 0;
    return Math.max(this.#span * MARGIN, TAIL_FACTOR * tail * cellWidth);
  }

  /** @param widen by how much of what was visited a value beyond may widen it */
  visit(given: number, widen = WIDEN_SHARE): void {
    const { scalars } = this.#memory;
    if (scalars.cellWidth === 0) {
      scalars.cellWidth = 2 ** Math.ceil(Math.log2(Math.max(Math.abs(given) * SHARE_MIN, WIDTH_MIN)));
    }
    const value = this.#moderate(given, widen);
    const cell = Math.floor(value / scalars.cellWidth);
    if (!(cell >= scalars.cellFirst && cell < scalars.cellFirst + CELLS)) this.#reach(value);
    const at = Math.floor(value / scalars.cellWidth) - scalars.cellFirst;
    if (at < BITS) scalars.visitedLow = (scalars.visitedLow | (1 << at)) >>> 0;
    else scalars.visitedHigh = (scalars.visitedHigh | (1 << (at - BITS))) >>> 0;
  }

  #moderate(value: number, widen: number): number {
    const { cellWidth, readings, step } = this.#memory.scalars;
    const [first, last] = this.#visited();
    if (first > last || readings < CELLS) return value;
    const room = Math.max((last + 1 - first) * widen * cellWidth, 2 * cellWidth, 2 * step);
    return Math.min(Math.max(value, first * cellWidth - room), (last + 1) * cellWidth + room);
  }

  /** A slot is over: what was visited in it. */
  close(): void {
    const { scalars, cells } = this.#memory;
    for (let at = 0; at < CELLS; at++) if (this.#isVisitedNow(at)) cells[at] = Math.min(VISITS_MAX, cells[at]! + 1);
    Object.assign(scalars, { visitedLow: 0, visitedHigh: 0 });
    this.#refresh();
  }

  endPeriod(): void {
    const { cells, scalars } = this.#memory;
    for (const [at, visits] of cells.entries()) cells[at] = visits < FORGOTTEN ? 0 : visits * KEPT;
    const [first, last] = this.#visited();
    const greatest = Math.max(Math.abs(first), Math.abs(last));
    // What one cell knew both halves know: where between them nothing is will be seen.
    if (last >= first && last - first < FEW && greatest < 0.5 / SHARE_MIN) {
      this.#lay(2 * first - ((CELLS >> 1) - (last + 1 - first)), scalars.cellWidth / 2, (cell) => [
        2 * cell,
        2 * cell + 1,
      ]);
    }
    this.#refresh();
  }

  /** Moves the cells towards one, where there is room; else two become one until there is. */
  #reach(value: number): void {
    this.close();
    for (;;) {
      const { cellWidth } = this.#memory.scalars;
      const target = Math.floor(value / cellWidth);
      const [first, last] = this.#visited();
      const [least, greatest] = first > last ? [target, target] : [Math.min(first, target), Math.max(last, target)];
      const room = CELLS - (greatest + 1 - least);
      if (room >= 0) {
        this.#lay(least - (room >> 1), cellWidth, (cell) => [cell]);
        return;
      }
      this.#lay(Math.floor(first / 2), cellWidth * 2, (cell) => [Math.floor(cell / 2)]);
    }
  }

  #lay(first: number, width: number, of: (cell: number) => number[]): void {
    const { scalars, cells } = this.#memory;
    const before = [...cells];
    cells.fill(0);
    for (const [at, visits] of before.entries()) {
      if (visits === 0) continue;
      for (const cell of of(scalars.cellFirst + at)) cells[cell - first] = Math.max(cells[cell - first]!, visits);
    }
    Object.assign(scalars, { cellFirst: first, cellWidth: width });
    this.#refresh();
  }

  /** First and last cell that was visited, ever so seldom. */
  #visited(): [first: number, last: number] {
    const { cells, scalars } = this.#memory;
    let [first, last] = [0, CELLS - 1];
    while (first < CELLS && cells[first] === 0 && !this.#isVisitedNow(first)) first++;
    while (last >= first && cells[last] === 0 && !this.#isVisitedNow(last)) last--;
    return [scalars.cellFirst + first, scalars.cellFirst + last];
  }

  #isVisitedNow(at: number): boolean {
    const { visitedLow, visitedHigh } = this.#memory.scalars;
    return (at < BITS ? visitedLow & (1 << at) : visitedHigh & (1 << (at - BITS))) !== 0;
  }

  #refresh(): void {
    const { cells, scalars } = this.#memory;
    let [first, last] = [CELLS, -1];
    for (let at = 0; at < CELLS; at++) {
      const around = (cells[at - 1] ?? 0) + cells[at]! + (cells[at + 1] ?? 0);
      const isKnown = cells[at]! > 0 && around >= VISITS_MIN;
      this.#known[at] = isKnown ? 1 : 0;
      if (!isKnown) continue;
      first = Math.min(first, at);
      last = at;
    }
    this.#span = last < first ? 0 : (last + 1 - first) * scalars.cellWidth;
    this.#refreshTails();
    this.#memory.changed();
  }

  #refreshTails(): void {
    const { cells } = this.#memory;
    const isVisited = (visits: number) => visits > 0;
    const [first, last] = [cells.findIndex(isVisited), cells.findLastIndex(isVisited)];
    if (last < 0) return;
    const few = TAIL_SHARE * cells.reduce((sum, visits) => sum + visits, 0);
    this.#core = [first, last];
    for (let left = few - cells[first]!; left > 0; left -= cells[++this.#core[0]]!);
    for (let left = few - cells[last]!; left > 0; left -= cells[--this.#core[1]]!);
    this.#tails = [this.#core[0] - first, last - this.#core[1]];
  }
}
