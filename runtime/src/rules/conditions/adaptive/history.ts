/**
 * What a series is at this time when all is well. Three candidates:
 *
 *     level   the median of the last seven periods
 *     day     the median of this slot in each of them
 *     week    the median of this hour of the last week, of the week before, and of what `day` says
 *
 * each with an offset, the median of the last period's residuals: what wanders is followed, what lasts for less than half a
 * period moves nothing. The candidate with the least error goes; one that is not there yet must be better by some margin,
 * so that chance does not make them take turns, and a season that does not help is not used.
 */
import { CANDIDATES, type Memory, mod, PERIODS_KEPT, WEEK_HOURS } from './memory.ts';

const [LEVEL, DAY, WEEK] = [0, 1, 2];
const HOUR_MS = 3_600_000;
const WEEK_MS = WEEK_HOURS * HOUR_MS;
/** By so much an error must be less. */
const DAY_BETTER = 0.9;
/** Two weeks say less about a season than seven days: more is wanted. */
const WEEK_BETTER = 0.8;
/** Errors are averaged over so many periods: weekends among them. */
const DAY_EVIDENCE = 7;
const WEEK_EVIDENCE = 14;
/** Of the third week, until it is known whether there is a season of a week. */
const WEEK_CERTAIN = 0.95;
/** Of the means of slots, on either side, what may have been bad. */
const RANGE_SHARE = 0.02;
/** What is off by more, once, says nothing about seasons. */
const ERROR_FACTOR_MAX = 20;

export interface Alternative {
  lower: number;
  upper: number;
  /** It was so in the last weeks; else there are none. */
  isOfWeek: boolean;
}

export class History {
  readonly #memory: Memory;
  readonly #seasons: readonly string[];
  #level = Number.NaN;
  /** Between which the means of slots are, mostly. */
  #least = Number.NaN;
  #greatest = Number.NaN;
  readonly #offsets = new Float64Array(CANDIDATES);

  constructor(memory: Memory, seasons: readonly string[]) {
    this.#memory = memory;
    this.#seasons = seasons;
    this.#refresh();
  }

  /** Whether what is expected changes within a period. */
  get isSeasonal(): boolean {
    return this.#memory.scalars.candidate !== LEVEL;
  }

  /** In the middle of the slot, without the offset; NaN when nothing is known. */
  baseline(slot: number): number {
    const found = this.#candidate(this.#memory.scalars.candidate, slot);
    return Number.isNaN(found) ? this.#daily(slot) : found;
  }

  get offset(): number {
    return this.#offsets[this.#memory.scalars.candidate]!;
  }

  /**
   * What else would be usual now. For as long as it is not known whether the series follows the week: what it was a week
   * ago, and before there is one, whatever it has been at any time of the day; a first Saturday is like no day before.
   * Then, if it does: what it was in the last weeks somewhat earlier or later.
   */
  alternative(slot: number): Alternative | undefined {
    if (!this.#seasons.includes('week') || (!this.isWeekly && this.#isWeekCertain)) return undefined;
    const found = this.#hoursAround(slot, this.isWeekly ? 2 : 1);
    if (!found.some(Number.isNaN)) return { lower: Math.min(...found), upper: Math.max(...found), isOfWeek: true };
    // The offset of a weekend says nothing about the Monday after it.
    const [lower, upper] = [this.#least + Math.min(0, this.offset), this.#greatest + Math.max(0, this.offset)];
    return { lower, upper, isOfWeek: false };
  }

  /** What it would be if the series followed the week, whether it does or not; NaN: there was no week. */
  ofWeek(slot: number): number {
    const found = this.#weekly(slot);
    return (Number.isNaN(found) ? this.#memory.hours[this.#hourOf(slot)]! : found) + this.#offsets[WEEK!]!;
  }

  get offsetOfWeek(): number {
    return this.#offsets[WEEK!]!;
  }

  get isWeekly(): boolean {
    return this.#memory.scalars.candidate === WEEK;
  }

  /** Of the last weeks, from the hour before to that after. */
  #hoursAround(slot: number, weeks: number): number[] {
    const found: number[] = [];
    for (let each = slot - 1; each <= slot + 1; each++) {
      for (let week = 0; week < weeks; week++) found.push(this.#memory.hours[week * WEEK_HOURS + this.#hourOf(each)]!);
    }
    return found;
  }

  get #isWeekCertain(): boolean {
    const { weekEvidence, intervalMs } = this.#memory.scalars;
    return weekEvidence * Math.max(this.#memory.slotMs, intervalMs) >= WEEK_CERTAIN * WEEK_MS;
  }

  #candidate(candidate: number, slot: number): number {
    if (candidate === LEVEL) return this.#level;
    return candidate === DAY ? this.#daily(slot) : this.#weekly(slot);
  }

  /** Of the slots around it, where it has had nothing: readings come once an hour, or not at that time. */
  #daily(slot: number): number {
    const { slots, means } = this.#memory;
    const reachMax = Math.max(1, slots >> 4);
    for (let reach = 0; reach <= reachMax; reach++) {
      const found: number[] = [];
      for (const at of reach === 0 ? [slot] : [slot - reach, slot + reach]) {
        for (let period = 0; period < PERIODS_KEPT; period++) {
          const mean = means[mod(at, slots) + period * slots]!;
          if (!Number.isNaN(mean)) found.push(mean);
        }
      }
      if (found.length > 0) return median(found);
    }
    return this.#level;
  }

  /** One week that was odd is outvoted by the other one and the usual day. */
  #weekly(slot: number): number {
    const { hours } = this.#memory;
    const hour = this.#hourOf(slot);
    const [last, before] = [hours[hour]!, hours[WEEK_HOURS + hour]!];
    return Number.isNaN(last) || Number.isNaN(before) ? Number.NaN : median([last, before, this.#daily(slot)]);
  }

  #hourOf(slot: number): number {
    return Math.floor(mod((slot + 0.5) * this.#memory.slotMs, WEEK_MS) / HOUR_MS);
  }

  /**
   * A slot is over.
   *
   * @param mean of its readings; NaN: there were none
   * @param isWell what is not, no baseline learns from; whether there is a season is seen from all: a weekend is odd twice
   */
  close(slot: number, mean: number, isWell: boolean): void {
    const { slots, means, recent, residuals, scalars } = this.#memory;
    const errors = [LEVEL, DAY, WEEK].map((each) => mean - this.#candidate(each!, slot));
    for (const [each, error] of errors.entries()) {
      residuals[each * slots + mod(slot, slots)] = isWell ? error : Number.NaN;
    }
    if (!Number.isNaN(mean)) {
      this.#learnErrors(errors);
      this.#keepHour(slot, mean);
    }
    recent[mod(slot, slots)] = mean;
    means[mod(slot, slots * PERIODS_KEPT)] = isWell ? mean : Number.NaN;
    scalars.candidate = this.#best();
    this.#memory.changed();
    this.#refresh();
  }

  /** An hour is kept when it is over: until then it is compared with what it was. */
  #keepHour(slot: number, mean: number): void {
    const { hours, scalars } = this.#memory;
    const hour = this.#hourOf(slot);
    if (scalars.hourCount > 0 && scalars.hour === hour) {
      scalars.hourMean += (mean - scalars.hourMean) / ++scalars.hourCount;
      return;
    }
    if (scalars.hourCount > 0) {
      hours[WEEK_HOURS + scalars.hour] = hours[scalars.hour]!;
      hours[scalars.hour] = scalars.hourMean;
    }
    Object.assign(scalars, { hour, hourMean: mean, hourCount: 1 });
  }

  #learnErrors(errors: number[]): void {
    const { scalars, slots } = this.#memory;
    const off = errors.map((error, each) => Math.abs(error - this.#offsets[each]!));
    if (Number.isNaN(off[LEVEL!]!) || Number.isNaN(off[DAY!]!)) return;
    const learn = (known: number, error: number, periods: number, seen: number) => {
      const clipped = known === 0 ? error : Math.min(error, ERROR_FACTOR_MAX * known);
      return known + (clipped - known) / Math.min(periods * slots, seen);
    };
    scalars.evidence++;
    scalars.errorLevel = learn(scalars.errorLevel, off[LEVEL!]!, DAY_EVIDENCE, scalars.evidence);
    scalars.errorDay = learn(scalars.errorDay, off[DAY!]!, DAY_EVIDENCE, scalars.evidence);
    if (Number.isNaN(off[WEEK!]!)) return;
    scalars.weekEvidence++;
    const without = off[this.#bestWithoutWeek()]!;
    scalars.errorWithoutWeek = learn(scalars.errorWithoutWeek, without, WEEK_EVIDENCE, scalars.weekEvidence);
    scalars.errorWeek = learn(scalars.errorWeek, off[WEEK!]!, WEEK_EVIDENCE, scalars.weekEvidence);
  }

  #best(): number {
    const { candidate, errorWeek, errorWithoutWeek } = this.#memory.scalars;
    const without = this.#bestWithoutWeek();
    if (!this.#seasons.includes('week') || !this.#isWeekCertain) return without;
    const isBetter =
      candidate === WEEK ? errorWeek * WEEK_BETTER < errorWithoutWeek : errorWeek < WEEK_BETTER * errorWithoutWeek;
    return isBetter ? WEEK! : without;
  }

  #bestWithoutWeek(): number {
    const { candidate, errorLevel, errorDay } = this.#memory.scalars;
    if (!this.#seasons.includes('day')) return LEVEL!;
    const isBetter = candidate === LEVEL ? errorDay < DAY_BETTER * errorLevel : errorDay * DAY_BETTER < errorLevel;
    return isBetter ? DAY! : LEVEL!;
  }

  /** What the series was in the period before `slot` is its level from now on; the shape of day and week stays. */
  adopt(slot: number): void {
    const { slots, recent, means, hours, residuals } = this.#memory;
    const last = [...recent.keys()].map((back) => slot - 1 - back);
    const shifts = [LEVEL, DAY, WEEK].map((candidate) => {
      const off = last.map((each) => recent[mod(each, slots)]! - this.#candidate(candidate!, each));
      const known = off.filter((each) => !Number.isNaN(each));
      const shift = known.length === 0 ? 0 : median(known);
      for (const [back, each] of last.entries()) residuals[candidate! * slots + mod(each, slots)] = off[back]! - shift;
      return shift;
    });
    for (const at of means.keys()) means[at] = means[at]! + shifts[DAY!]!;
    for (const at of hours.keys()) hours[at] = hours[at]! + shifts[WEEK!]!;
    for (const each of last) means[mod(each, slots * PERIODS_KEPT)] = recent[mod(each, slots)]!;
    this.#memory.changed();
    this.#refresh();
  }

  #refresh(): void {
    const { slots, means, residuals } = this.#memory;
    const rising = risingKnown(means);
    this.#level = middle(rising);
    this.#least = rising[Math.floor(RANGE_SHARE * (rising.length - 1))] ?? Number.NaN;
    this.#greatest = rising[Math.ceil((1 - RANGE_SHARE) * (rising.length - 1))] ?? Number.NaN;
    for (const each of this.#offsets.keys()) {
      const offset = middle(risingKnown(residuals.subarray(each * slots, (each + 1) * slots)));
      this.#offsets[each] = Number.isNaN(offset) ? 0 : offset;
    }
  }
}

/** Room to sort in: slots are over by the thousand a second where a fleet is replayed. */
let room = new Float32Array(0);

/** Until it is asked again. */
function risingKnown(numbers: Float32Array): Float32Array {
  if (room.length < numbers.length) room = new Float32Array(numbers.length);
  let count = 0;
  for (const each of numbers) if (!Number.isNaN(each)) room[count++] = each;
  return room.subarray(0, count).sort();
}

function median(numbers: number[]): number {
  return middle(numbers.sort((a, b) => a - b));
}

/** NaN of none. */
function middle(rising: ArrayLike<number>): number {
  const half = rising.length >> 1;
  if (rising.length === 0) return Number.NaN;
  return rising.length % 2 === 1 ? rising[half]! : (rising[half - 1]! + rising[half]!) / 2;
}
