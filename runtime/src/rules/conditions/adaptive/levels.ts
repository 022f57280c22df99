/** How much is too much, by statistic: kept day by day, and learned from that. */
import type { Adaptive } from '@weir/protocols';
import type { History } from './history.ts';
import { type Memory, STATISTICS, STATISTICS_WEEKLY } from './memory.ts';
import { type Statistics, WATCHED } from './statistics.ts';
import { BLOCKS_KEPT, levelExceeded, usualMaximum } from './tail.ts';

const WEEK_MS = 604_800_000;
/** Episodes a week when all is well, by sensitivity. */
const FALSE_ALARMS_PER_WEEK = { low: 0.01, medium: 0.4, high: 1 } as const;
/** Twelve statistics of one series; so many as if they were independent. */
const STATISTICS_INDEPENDENT = 4;
/** Of blocks, before anything is judged; the first, in which nothing was known, does not count. */
export const BLOCKS_MIN = 2;
/** Of a block's slots, for its maxima to be those of a series whose week is known; so many such blocks are enough. */
const WEEKLY_SHARE = 0.9;
const BLOCKS_WEEKLY_MIN = 6;
/** Of maxima by the level, of those while it fires by what is usual: what is odd again and again becomes usual. */
const MAXIMUM_CLIP = 1.1;
/** Lesser maxima say nothing about the tail. */
const MAXIMUM_SHARE_MIN = 0.6;

export class Levels {
  readonly of = new Float64Array(STATISTICS);
  readonly #usual = new Float64Array(STATISTICS);
  readonly #memory: Memory;
  readonly #history: History;
  readonly #sensitivity: Adaptive['sensitivity'];
  #isWeekly = false;

  constructor(memory: Memory, history: History, sensitivity: Adaptive['sensitivity']) {
    this.#memory = memory;
    this.#history = history;
    this.#sensitivity = sensitivity;
    this.learn();
  }

  get areKnown(): boolean {
    return this.of[0] !== Number.POSITIVE_INFINITY;
  }

  /** What a reading made of a statistic. */
  keep(statistic: number, { learned, weekly }: Statistics): void {
    const { scalars, greatest } = this.#memory;
    const most = MAXIMUM_CLIP * (scalars.firing === 1 ? this.#usual[statistic]! : this.of[statistic]!);
    greatest[statistic] = Math.max(greatest[statistic]!, Math.min(learned[statistic]!, most));
    if (statistic >= STATISTICS_WEEKLY) return;
    const at = STATISTICS + statistic;
    greatest[at] = Math.max(greatest[at]!, Math.min(weekly[statistic]!, most));
  }

  /** A block is over, and was whole. */
  record(): void {
    const { scalars, maxima, maximaWeekly, greatest } = this.#memory;
    const at = scalars.recorded++ % BLOCKS_KEPT;
    const isWeekly = scalars.blockSlotsWeekly >= scalars.blockSlots * WEEKLY_SHARE;
    for (const [each, { levelMin }] of WATCHED.entries()) {
      const least = MAXIMUM_SHARE_MIN * levelMin;
      maxima[each * BLOCKS_KEPT + at] = Math.log(Math.max(greatest[each]!, least));
      if (each >= STATISTICS_WEEKLY) continue;
      const weekly = isWeekly ? Math.log(Math.max(greatest[STATISTICS + each]!, least)) : Number.NaN;
      maximaWeekly[each * BLOCKS_KEPT + at] = weekly;
    }
    this.#memory.changed();
    this.learn();
  }

  /** Deviations are measured by so much less from now on: what was measured of other days is as many times more. */
  convert(times: number): void {
    const { greatest, maxima, maximaWeekly } = this.#memory;
    for (const [each, { most }] of WATCHED.entries()) {
      if (most === undefined) continue;
      const convert = (of: Float32Array) => {
        for (let at = each * BLOCKS_KEPT; at < (each + 1) * BLOCKS_KEPT; at++) {
          of[at] = Math.min(of[at]! + Math.log(times), Math.max(of[at]!, Math.log(most)));
        }
      };
      greatest[each] = Math.min(greatest[each]! * times, Math.max(greatest[each]!, most));
      convert(maxima);
      if (each >= STATISTICS_WEEKLY) continue;
      convert(maximaWeekly);
      greatest[STATISTICS + each]! *= times;
    }
    this.#memory.changed();
    this.learn();
  }

  /** Whether the series follows the week may have been found out: levels are those of that. */
  follow(): void {
    if (this.#isWeekly !== this.#history.isWeekly) this.learn();
  }

  learn(): void {
    this.#isWeekly = this.#history.isWeekly;
    const perWeek = FALSE_ALARMS_PER_WEEK[this.#sensitivity];
    const probability = (perWeek * this.#memory.periodMs) / WEEK_MS / STATISTICS_INDEPENDENT;
    for (const [each, { levelMin }] of WATCHED.entries()) {
      const known = this.#maximaOf(each);
      const isKnown = known.length >= BLOCKS_MIN;
      this.of[each] = isKnown ? Math.max(levelMin, levelExceeded(known, probability)) : Number.POSITIVE_INFINITY;
      this.#usual[each] = isKnown ? usualMaximum(known) : Number.POSITIVE_INFINITY;
    }
  }

  /** Rising. Those from before the week was known say nothing of a series that follows it. */
  #maximaOf(statistic: number): Float32Array {
    const { scalars, maxima, maximaWeekly } = this.#memory;
    const count = Math.min(scalars.recorded, BLOCKS_KEPT);
    const of = (from: Float32Array) => from.slice(statistic * BLOCKS_KEPT, statistic * BLOCKS_KEPT + count);
    if (this.#isWeekly && statistic < STATISTICS_WEEKLY) {
      const weekly = of(maximaWeekly).filter((each) => !Number.isNaN(each));
      if (weekly.length >= BLOCKS_WEEKLY_MIN) return weekly.sort();
    }
    return of(maxima).sort();
  }
}
