/**
 * A baseline that a series makes for itself, on a gateway: a reading costs the same however long it has gone on, what is
 * remembered has one size, and the same readings give the same judgements wherever and however often it was stopped.
 *
 *     learning -> quiet -> firing -> quiet          (calm for a 24th of a period)
 *                            '-> learning anew      (fired for three periods: that is how it is now)
 *
 * What is expected is `history.ts`, what is looked at `statistics.ts`, how much is too much `tail.ts`. What is learned
 * while it fires moves neither baseline nor levels, but for the seasons.
 */
import type { Adaptive, Json } from '@weir/protocols';
import { movedPast, type TimeMove } from '../../../fold/move-time.ts';
import { type Alternative, History } from './history.ts';
import { Memory, type MemoryState, mod, PERIODS_KEPT, STATISTICS, STATISTICS_WEEKLY } from './memory.ts';
import { Seen } from './seen.ts';
import { beyond, crossingOf, type Expected, isAveraged, isWatched, type Reason, type Statistics, statisticsOf, WATCHED } from './statistics.ts';
import { BLOCKS_KEPT, levelExceeded, usualMaximum } from './tail.ts';

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** Half hours of a day: what changes with the time of day changes over longer, mostly. */
const SLOTS = 48;
/** Of a day, where readings are rarer than half hours. */
const SLOTS_SPARSE = [24, 12, 8, 6];
/** One reading for so many slots is too few for them. */
const SPARSE = 2.5;
/** Rarer still: no time of day can be seen; a period of eight readings. */
const SLOTS_SPARSEST = 8;
/** Of a block's slots, for its maxima to say what a whole block has; with readings once an hour it has half of them. */
const WHOLE_SHARE = 0.4;
/** Of a block's slots, for its maxima to be those of a series whose week is known; so many such blocks are enough. */
const WEEKLY_SHARE = 0.9;
const BLOCKS_WEEKLY_MIN = 6;
const SLOT_MS_MIN = 1_000;
/** Episodes a week when all is well, by sensitivity. */
const FALSE_ALARMS_PER_WEEK = { low: 0.01, medium: 0.25, high: 1 } as const;
/** Ten statistics of one series; so many as if they were independent. */
const STATISTICS_INDEPENDENT = 4;
/** Of blocks, before anything is judged; the first, in which nothing was known, does not count. */
const BLOCKS_MIN = 2;
const READINGS_MIN = 30;
/** One reading that is beyond may be a glitch, unless it is by so much; else the next must be, too. */
const AT_ONCE = Number(process.env.AO??2);
const AT_ONCE_RARE = 1.5;
const READINGS_RARE = 100;
/** What was over sooner has come and gone by itself, and widens what has been seen by as much again. */
const PASSING_PERIODS = 1 / 12;
const PASSING_WIDEN = 1;
/** Over when nothing is beyond this share of its level for so much of a period. */
const CALM = 0.7;
const CALM_PERIODS = 1 / 24;
/** A new normal: weekends are over by then. */
const ADOPT_PERIODS = 3;
/** Longer without readings is an outage; afterwards it settles, after more than a period for longer. */
const OUTAGE_PERIODS = 1 / 4;
const SETTLE_PERIODS = 1 / 24;
const SETTLE_LONG_PERIODS = 1 / 4;
/** In a slot, for a line through the middles of slots. */
const SLOPE_READINGS_MIN = 3;
/** So much earlier or later than usual is on time. */
const TOLERANCE_SLOTS = 0.5;
/** From one reading to the next. */
const INTERVAL_STEP = 1.1;
/** What is learned of a deviation while it is odd, by the mean one. */
const SCALE_CLIP = 2.5;
/** Of maxima by the level, of those while it fires by what is usual: what is odd again and again becomes usual. */
const MAXIMUM_CLIP = 1.1;
/** Lesser maxima say nothing about the tail. */
const MAXIMUM_SHARE_MIN = 0.6;
/** A third of the least step is what rounding alone makes; nothing is exact to more than a thousandth of itself. */
const STEP_SHARE = 0.3;
const RELATIVE_SCALE_MIN = 1e-3;
const SCALE_MIN = 1e-9;

export interface AdaptiveJudgement {
  /** Undefined: it learns, or settles after an outage. */
  verdict: boolean | undefined;
  /** What was compared, and the bound it crossed, or is nearest to; in the unit of the readings. */
  value?: number;
  level?: number;
  /** By how much the bound is exceeded: beyond it from 1 on. */
  badness?: number;
  reason?: Reason;
  /** Between which a reading is as expected. */
  band?: { lower: number; upper: number };
}

/** Of one series. Readings come in order of their time; one that is not later than the last is left out. */
export interface AdaptiveSeries {
  /** @param ts event time, ms. @param value finite. @returns its verdict */
  take(ts: number, value: number): boolean | undefined;
  /** Of the last reading: the verdict, and why. */
  readonly judgement: AdaptiveJudgement;
  /** JSON, some kilobytes. */
  readonly state: Json;
  moveTime(move: TimeMove): void;
}

/** @param state of a series of the same plan; what is none is as if there were none */
export function createAdaptive(plan: Adaptive, state?: Json): AdaptiveSeries {
  return new Baseline(plan, Memory.of((state ?? {}) as Partial<MemoryState>) ?? newMemory(plan));
}

/** Without seasons nothing needs days: periods are as long as what is to be learned from allows. */
function newMemory({ seasons, learnMs }: Adaptive): Memory {
  const periodMs = seasons.length > 0 ? DAY_MS : Math.min(DAY_MS, learnMs / (BLOCKS_MIN + 1));
  return new Memory(SLOTS, Math.max(SLOT_MS_MIN, Math.round(periodMs / SLOTS)));
}

class Baseline implements AdaptiveSeries {
  readonly #plan: Adaptive;
  #memory: Memory;
  #history: History;
  #seen: Seen;
  readonly #levels = new Float64Array(STATISTICS);
  readonly #usual = new Float64Array(STATISTICS);
  readonly #statistics = { judged: new Float64Array(STATISTICS), learned: new Float64Array(STATISTICS), weekly: new Float64Array(STATISTICS) };
  /** Baselines of the slot before, of this one, and of the next. */
  #around: [number, number, number] = [Number.NaN, Number.NaN, Number.NaN];
  #alternative: Alternative | undefined;
  #ofWeek = Number.NaN;
  #slotScale = 0;

  constructor(plan: Adaptive, memory: Memory) {
    this.#plan = plan;
    this.#memory = memory;
    this.#history = new History(memory, plan.seasons);
    this.#seen = new Seen(memory);
    this.#learnLevels();
    this.#openSlot();
  }

  take(at: number, given: number): boolean | undefined {
    // JSON knows no -0.
    const value = given + 0;
    const { scalars, slotMs, periodMs } = this.#memory;
    const ts = at - scalars.skewMs;
    const isFirst = scalars.readings === 0;
    if (isFirst) this.#begin(ts, value);
    else if (ts <= scalars.lastAt) return this.#verdict;
    const dtMs = isFirst ? 0 : ts - scalars.lastAt;
    const isOutage = dtMs > OUTAGE_PERIODS * periodMs;
    if (isOutage) this.#resume(ts, dtMs);
    if (!isFirst) this.#followInterval(dtMs);
    if (Math.floor(ts / slotMs) !== scalars.slot) this.#advance(Math.floor(ts / slotMs));
    this.#follow(ts, value);
    this.#judge(ts, value, isOutage ? 0 : dtMs);
    return this.#verdict;
  }

  #begin(ts: number, value: number): void {
    const { scalars, slotMs } = this.#memory;
    Object.assign(scalars, { firstAt: ts, lastAt: ts, averagedFrom: ts, changedAt: ts, lastValue: value });
    scalars.slot = Math.floor(ts / slotMs);
  }

  /** Up or down by a step, towards what is there: about the median, which a gap does not move. */
  #followInterval(dtMs: number): void {
    const { scalars } = this.#memory;
    const known = scalars.intervalMs;
    if (known === 0) scalars.intervalMs = dtMs;
    else if (dtMs > known) scalars.intervalMs = Math.min(dtMs, known * INTERVAL_STEP);
    else scalars.intervalMs = Math.max(dtMs, known / INTERVAL_STEP);
  }

  #resume(ts: number, dtMs: number): void {
    const { scalars, periodMs } = this.#memory;
    scalars.outageMs += dtMs;
    scalars.averagedFrom = ts;
    scalars.settlesAt = ts + (dtMs > periodMs ? SETTLE_LONG_PERIODS : SETTLE_PERIODS) * periodMs;
  }

  #follow(ts: number, value: number): void {
    const { scalars } = this.#memory;
    const step = Math.abs(value - scalars.lastValue);
    if (step > 0) {
      scalars.step = scalars.step === 0 ? step : Math.min(scalars.step, step);
      scalars.changedAt = ts;
      scalars.runLength = 0;
    }
    scalars.runLength++;
    scalars.lastValue = value;
    scalars.lastAt = ts;
    scalars.readings++;
  }

  #judge(ts: number, value: number, dtMs: number): void {
    const { scalars } = this.#memory;
    const expected = this.#expected();
    scalars.slotSum += value;
    scalars.slotCount++;
    scalars.judged = 0;
    if (Number.isNaN(expected.lower)) {
      this.#seen.visit(value);
      return;
    }
    const excused = this.#excused(expected);
    const weekly = this.#weekly(expected);
    scalars.slotOff += Math.min(Math.abs(beyond(value, expected)), Math.abs(beyond(value, weekly)));
    const found = statisticsOf(
      this.#memory,
      value,
      ts === scalars.averagedFrom ? 0 : dtMs,
      expected,
      excused,
      weekly,
      this.#unseen(value, expected),
      this.#levels,
      this.#statistics,
    );
    this.#compare(ts, found);
    if (this.#levels[0] === Number.POSITIVE_INFINITY) {
      // A new normal has been accepted: with what it was nothing is compared any more.
      scalars.judged = scalars.evidence > 0 && scalars.firingSince > 0 ? 2 : 0;
    } else if (ts >= scalars.settlesAt && this.#hasLearned(ts)) {
      scalars.judged = 1;
      this.#decide(ts);
    }
    if (scalars.firing === 0) {
      this.#seen.visit(value);
      return;
    }
    scalars.slotFiring++;
    if (Math.abs(this.#seen.beyond(value)) > Math.abs(this.#seen.beyond(scalars.peak))) scalars.peak = value;
  }

  /** By what is known, and at least by what it differs from one reading to the next. */
  #unseen(value: number, { scale }: Expected): number {
    return this.#seen.beyond(value) / Math.max(this.#seen.margin(value), scale);
  }

  #hasLearned(ts: number): boolean {
    const { firstAt, outageMs, readings } = this.#memory.scalars;
    return ts - firstAt - outageMs >= this.#plan.learnMs && readings >= READINGS_MIN;
  }

  #compare(ts: number, { judged, learned, weekly }: Statistics): void {
    const { scalars, greatest, periodMs } = this.#memory;
    scalars.score = 0;
    for (let each = 0; each < STATISTICS; each++) {
      const { after } = WATCHED[each]!;
      const isSettled = ts >= scalars.settlesAt && ts - scalars.averagedFrom >= after * periodMs;
      if (!isSettled && after > 0) continue;
      const level = this.#levels[each]!;
      const clip = scalars.firing === 1 ? this.#usual[each]! : level;
      greatest[each] = Math.max(greatest[each]!, Math.min(learned[each]!, MAXIMUM_CLIP * clip));
      if (each < STATISTICS_WEEKLY) {
        const at = STATISTICS + each;
        greatest[at] = Math.max(greatest[at]!, Math.min(weekly[each]!, MAXIMUM_CLIP * clip));
      }
      const score = judged[each]! / level;
      if (score <= scalars.score || !isWatched(each, this.#plan.direction)) continue;
      scalars.score = score;
      scalars.worst = each;
    }
  }

  #decide(ts: number): void {
    const { scalars, periodMs } = this.#memory;
    const { score, worst } = scalars;
    const isSure = isAveraged(this.#memory, worst) || score >= this.#atOnce || scalars.over > 0;
    scalars.over = score >= 1 ? scalars.over + 1 : 0;
    if (score >= CALM) scalars.calmSince = 0;
    else if (scalars.calmSince === 0) scalars.calmSince = ts;
    if (scalars.firing === 0 && score >= 1 && isSure) {
      scalars.firing = 1;
      scalars.firingSince = ts;
      scalars.peak = scalars.lastValue;
    } else if (scalars.calmSince !== 0 && ts - scalars.calmSince >= CALM_PERIODS * periodMs) {
      // What comes and goes by itself is known when it has done so twice.
      if (scalars.firing === 1 && scalars.calmSince - scalars.firingSince < PASSING_PERIODS * periodMs) {
        this.#seen.visit(scalars.peak, PASSING_WIDEN);
      }
      scalars.firing = 0;
      scalars.firingSince = 0;
    }
  }

  get #atOnce(): number {
    return this.#memory.scalars.intervalMs * READINGS_RARE >= this.#memory.periodMs ? AT_ONCE_RARE : AT_ONCE;
  }

  get #verdict(): boolean | undefined {
    const { judged, firing } = this.#memory.scalars;
    return judged === 0 ? undefined : judged === 1 && firing === 1;
  }

  get judgement(): AdaptiveJudgement {
    const { judged, score, worst, lastValue } = this.#memory.scalars;
    const verdict = this.#verdict;
    if (judged !== 1) return { verdict, value: lastValue };
    const expected = this.#excused(this.#expected());
    const [upper, lower] = [0, 1].map((each) => crossingOf(this.#memory, each, this.#levels[each]!, expected, this.#seen).level);
    return {
      verdict,
      ...crossingOf(this.#memory, worst, this.#levels[worst]!, expected, this.#seen),
      badness: score,
      reason: WATCHED[worst]!.reason, statistic: worst,
      band: { lower: lower!, upper: upper! },
    };
  }

  /** Of the last reading. */
  #expected(): Expected {
    const { scalars } = this.#memory;
    const least = Math.max(STEP_SHARE * scalars.step, RELATIVE_SCALE_MIN * Math.abs(scalars.lastValue), SCALE_MIN);
    const [lower, upper] = this.#explained();
    const { offset } = this.#history;
    return {
      lower: lower + offset,
      upper: upper + offset,
      offset,
      scale: Math.max(this.#slotScale, least),
      scaleOfAll: Math.max(scalars.scale, least),
    };
  }

  /** What else would be usual, where the last reading is nearer to that. */
  #excused(expected: Expected): Expected {
    if (this.#alternative === undefined) return expected;
    const other = { ...expected, lower: this.#alternative.lower, upper: this.#alternative.upper, offset: 0 };
    const { lastValue } = this.#memory.scalars;
    return Math.abs(beyond(lastValue, other)) < Math.abs(beyond(lastValue, expected)) ? other : expected;
  }

  /** If the series follows the week. */
  #weekly(expected: Expected): Expected {
    if (this.#history.isWeekly || Number.isNaN(this.#ofWeek)) return expected;
    return { ...expected, lower: this.#ofWeek, upper: this.#ofWeek, offset: this.#history.offsetOfWeek };
  }

  /** Between the middles of slots by a straight line; what it would be somewhat earlier or later is usual, too. */
  #explained(): [lower: number, upper: number] {
    const { scalars, slotMs } = this.#memory;
    const [before, now, after] = this.#around;
    // One reading in a slot stands where it stands every day, and not in the middle.
    const isSloped = this.#history.isSeasonal && scalars.intervalMs * SLOPE_READINGS_MIN <= slotMs;
    if (!isSloped) return [now, now];
    const into = scalars.lastAt / slotMs - scalars.slot - 0.5;
    const line = (at: number) => {
      const other = at < 0 ? before : after;
      return Number.isNaN(other) ? now : now + Math.min(1, Math.abs(at)) * (other - now);
    };
    const [early, late] = [line(into - TOLERANCE_SLOTS), line(into + TOLERANCE_SLOTS)];
    return [Math.min(early, now, late), Math.max(early, now, late)];
  }

  #openSlot(): void {
    const { scalars, scales, slots } = this.#memory;
    const { slot } = scalars;
    this.#around = [this.#history.baseline(slot - 1), this.#history.baseline(slot), this.#history.baseline(slot + 1)];
    this.#alternative = this.#history.alternative(slot);
    this.#ofWeek = this.#alternative === undefined ? Number.NaN : this.#history.ofWeek(slot);
    const own = scales[mod(slot, slots)]!;
    // What a slot says for itself counts for as many days as it has had, what all say for two.
    const periods = own === 0 ? 0 : Math.min(PERIODS_KEPT, scalars.blocks + 1);
    this.#slotScale = (periods * own + 2 * scalars.scale) / (periods + 2);
  }

  #advance(next: number): void {
    const { scalars, slots, periodMs } = this.#memory;
    const { slot } = scalars;
    this.#seen.close();
    const isWell = scalars.slotFiring * 2 <= scalars.slotCount;
    if (scalars.slotCount > 0) {
      scalars.blockSlots++;
      if (this.#alternative?.isOfWeek === true) scalars.blockSlotsWeekly++;
      if (isWell) this.#learnScale(scalars.slotOff / scalars.slotCount);
    }
    this.#history.close(slot, scalars.slotCount === 0 ? Number.NaN : scalars.slotSum / scalars.slotCount, isWell);
    if (Math.floor(next / slots) !== Math.floor(slot / slots)) this.#endBlock();
    // Of more than a week nothing but gaps would be left: what was known stays known.
    for (let skipped = slot + 1; skipped < Math.min(next, slot + slots); skipped++) {
      this.#history.close(skipped, Number.NaN, true);
    }
    const firingMs = scalars.firing === 1 ? scalars.lastAt - scalars.firingSince : 0;
    if (firingMs >= ADOPT_PERIODS * periodMs) this.#adopt(slot + 1);
    Object.assign(this.#memory.scalars, { slot: next, slotSum: 0, slotCount: 0, slotOff: 0, slotFiring: 0 });
    this.#openSlot();
  }

  #learnScale(off: number): void {
    const { scalars, scales, slots } = this.#memory;
    if (off === 0 && scalars.scaleSlots === 0) return;
    const { scale: usual } = this.#expected();
    scalars.scaleSlots++;
    const clipped = scalars.scale === 0 ? off : Math.min(off, SCALE_CLIP * usual);
    scalars.scale += Math.max(1 / scalars.scaleSlots, 1 / (PERIODS_KEPT * slots)) * (clipped - scalars.scale);
    const at = mod(scalars.slot, slots);
    const known = scales[at]!;
    scales[at] = known === 0 ? clipped : known + (clipped - known) / Math.min(PERIODS_KEPT, scalars.blocks + 1);
    this.#memory.changed();
  }

  #endBlock(): void {
    const { scalars, maxima, maximaWeekly, greatest, slots } = this.#memory;
    const isWhole = scalars.blockSlots >= slots * WHOLE_SHARE;
    if (isWhole && scalars.blocks++ > 0) {
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
      this.#learnLevels();
    }
    scalars.sparseBlocks = isWhole ? 0 : scalars.sparseBlocks + 1;
    scalars.blockSlots = 0;
    scalars.blockSlotsWeekly = 0;
    this.#seen.endPeriod();
    greatest.fill(0);
    // Days with gaps are no days of rare readings.
    if (scalars.sparseBlocks >= 2 && scalars.intervalMs > SPARSE * this.#memory.slotMs) this.#thin();
  }

  #learnLevels(): void {
    const { periodMs } = this.#memory;
    const perWeek = FALSE_ALARMS_PER_WEEK[this.#plan.sensitivity];
    const probability = (perWeek * periodMs) / WEEK_MS / STATISTICS_INDEPENDENT;
    for (const [each, { levelMin }] of WATCHED.entries()) {
      const known = this.#maximaOf(each);
      const isKnown = known.length >= BLOCKS_MIN;
      this.#levels[each] = isKnown ? Math.max(levelMin, levelExceeded(known, probability)) : Number.POSITIVE_INFINITY;
      this.#usual[each] = isKnown ? usualMaximum(known) : Number.POSITIVE_INFINITY;
    }
  }

  /** Rising. Those from before the week was known say nothing of a series that follows it. */
  #maximaOf(statistic: number): Float32Array {
    const { scalars, maxima, maximaWeekly } = this.#memory;
    const count = Math.min(scalars.recorded, BLOCKS_KEPT);
    const of = (from: Float32Array) => from.slice(statistic * BLOCKS_KEPT, statistic * BLOCKS_KEPT + count);
    if (this.#history.isWeekly && statistic < STATISTICS_WEEKLY) {
      const weekly = of(maximaWeekly).filter((each) => !Number.isNaN(each));
      if (weekly.length >= BLOCKS_WEEKLY_MIN) return weekly.sort();
    }
    return of(maxima).sort();
  }

  /** What has fired for so long is how it is: the level moves there, and how much is too much is learned anew. */
  #adopt(slot: number): void {
    const { scalars, slots, greatest } = this.#memory;
    this.#history.adopt(slot);
    Object.assign(scalars, { firing: 0, over: 0, calmSince: 0, shortMean: 0, longMean: 0, shortExcused: 0, longExcused: 0, recorded: 0 });
    scalars.averagedFrom = scalars.lastAt;
    // Deviations of one period weigh as much as what was learned before.
    scalars.scaleSlots = Math.min(scalars.scaleSlots, slots);
    greatest.fill(0);
    this.#learnLevels();
  }

  /** Readings are too rare for such slots, and have been for two periods: it begins again with longer ones. */
  #thin(): void {
    const { scalars, periodMs } = this.#memory;
    const slots = SLOTS_SPARSE.find((each) => periodMs / each >= scalars.intervalMs && each < this.#memory.slots);
    const slotMs = slots === undefined ? scalars.intervalMs : periodMs / slots;
    const memory = new Memory(slots ?? SLOTS_SPARSEST, Math.max(SLOT_MS_MIN, Math.round(slotMs)));
    const { skewMs, firstAt, lastAt, outageMs, readings, intervalMs, lastValue, changedAt, runLength, step } = scalars;
    Object.assign(memory.scalars, { skewMs, firstAt, lastAt, outageMs, readings, intervalMs });
    Object.assign(memory.scalars, { lastValue, changedAt, runLength, step, averagedFrom: lastAt });
    memory.scalars.slot = Math.floor(lastAt / memory.slotMs);
    this.#memory = memory;
    this.#history = new History(memory, this.#plan.seasons);
    this.#seen = new Seen(memory);
    this.#learnLevels();
  }

  /** Days as they were learned go on where they were; only that the clock says something else is kept. */
  moveTime(move: TimeMove): void {
    const { scalars } = this.#memory;
    const last = scalars.lastAt + scalars.skewMs;
    if (scalars.readings > 0) scalars.skewMs += movedPast(last, move) - last;
  }

  dump() { const { candidate, errorLevel, errorDay, weekEvidence, errorWithoutWeek, errorWeek, scale } = this.#memory.scalars; return { candidate, errorLevel, errorDay, weekEvidence, errorWithoutWeek, errorWeek, scale, exp: this.#expected(), alt: this.#alternative, seen: this.#seen.span, levels: [...this.#levels].map((x) => +x.toFixed(2)) }; }
  get state(): Json {
    return this.#memory.state as unknown as Json;
  }
}
