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
import { Expectation } from './expectation.ts';
import { History } from './history.ts';
import { BLOCKS_MIN, Levels } from './levels.ts';
import { Memory, type MemoryState, mod, PERIODS_KEPT, STATISTICS } from './memory.ts';
import { Seen } from './seen.ts';
import {
  beyond,
  crossingOf,
  type Expected,
  isAveraged,
  isWatched,
  type Reason,
  type Statistics,
  statisticsOf,
  WATCHED,
} from './statistics.ts';

const DAY_MS = 86_400_000;
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
const SLOT_MS_MIN = 1_000;
const READINGS_MIN = 30;
/** One reading that is beyond may be a glitch, unless it is by so much; else the next must be, too. */
const AT_ONCE = 2;
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
/** From one reading to the next. */
const INTERVAL_STEP = 1.1;
/** What is learned of a deviation while it is odd, by the mean one. */
const SCALE_CLIP = 2.5;
const RELEARNS = 'it learns again what is usual: what it had learned was kept in another form';

export interface AdaptiveJudgement {
  /** Undefined: it learns, or settles after an outage. */
  verdict: boolean | undefined;
  /** What was compared, and the bound it crossed, or is nearest to; in the unit of the readings. */
  value?: number;
  level?: number;
  /** By how much the bound is exceeded: beyond it from 1 on. */
  badness?: number;
  reason?: Reason;
  /** Why it does not say, where that is not what one would expect. */
  problem?: string;
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
  const known = Memory.of((state ?? {}) as Partial<MemoryState>);
  const memory = known ?? newMemory(plan);
  if (known === undefined && state !== undefined && state !== null) memory.scalars.relearns = 1;
  return new Baseline(plan, memory);
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
  #expectation: Expectation;
  #levels: Levels;
  readonly #statistics: Statistics = {
    judged: new Float64Array(STATISTICS),
    learned: new Float64Array(STATISTICS),
    weekly: new Float64Array(STATISTICS),
  };
  constructor(plan: Adaptive, memory: Memory) {
    this.#plan = plan;
    this.#memory = memory;
    this.#history = new History(memory, plan.seasons);
    this.#seen = new Seen(memory);
    this.#expectation = new Expectation(memory, this.#history);
    this.#levels = new Levels(memory, this.#history, plan.sensitivity);
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
    // That it is what it was before does not say that it has stood still.
    scalars.changedAt = ts;
    scalars.runLength = 0;
    scalars.settlesAt = ts + (dtMs > periodMs ? SETTLE_LONG_PERIODS : SETTLE_PERIODS) * periodMs;
  }

  #follow(ts: number, value: number): void {
    const { scalars } = this.#memory;
    const step = Math.abs(value - scalars.lastValue);
    if (step > 0) {
      this.#followStep(step);
      scalars.changedAt = ts;
      scalars.runLength = 0;
    }
    scalars.runLength++;
    scalars.lastValue = value;
    scalars.lastAt = ts;
    scalars.readings++;
  }

  /** The least step bounds what deviations are measured by: when that is finer than was known, levels are converted. */
  #followStep(step: number): void {
    const { scalars } = this.#memory;
    if (scalars.step !== 0 && step >= scalars.step) return;
    const { scaleOfAll: before } = this.#expectation.own;
    scalars.step = step;
    const { scaleOfAll: after } = this.#expectation.own;
    if (after < before) this.#levels.convert(before / after);
  }

  #judge(ts: number, value: number, dtMs: number): void {
    const { scalars } = this.#memory;
    const explanations = this.#expectation.all;
    const { expected, weekly } = explanations;
    scalars.slotSum += value;
    scalars.slotCount++;
    scalars.judged = 0;
    if (Number.isNaN(expected.lower)) {
      this.#seen.visit(value);
      return;
    }
    scalars.slotOff += Math.min(Math.abs(beyond(value, expected)), Math.abs(beyond(value, weekly)));
    const found = statisticsOf(
      this.#memory,
      value,
      ts === scalars.averagedFrom ? 0 : dtMs,
      explanations,
      this.#unseen(value, expected),
      this.#levels.of,
      this.#statistics,
    );
    this.#compare(ts, found);
    if (!this.#levels.areKnown) {
      // A new normal has been accepted: with what it was nothing is compared any more.
      scalars.judged = scalars.evidence > 0 && scalars.firingSince > 0 ? 2 : 0;
    } else if (ts >= scalars.settlesAt && this.#hasLearned(ts)) {
      scalars.judged = 1;
      scalars.relearns = 0;
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

  #compare(ts: number, found: Statistics): void {
    const { scalars, periodMs } = this.#memory;
    scalars.score = 0;
    for (let each = 0; each < STATISTICS; each++) {
      const { after } = WATCHED[each]!;
      const isSettled = ts >= scalars.settlesAt && ts - scalars.averagedFrom >= after * periodMs;
      if (!isSettled && after > 0) continue;
      this.#levels.keep(each, found);
      const score = found.judged[each]! / this.#levels.of[each]!;
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
    const { judged, score, worst, lastValue, relearns } = this.#memory.scalars;
    const verdict = this.#verdict;
    if (judged !== 1) return { verdict, value: lastValue, ...(relearns === 1 && { problem: RELEARNS }) };
    const expected = this.#expectation.nearest;
    const crossing = (each: number) => crossingOf(this.#memory, each, this.#levels.of[each]!, expected, this.#seen);
    return {
      verdict,
      ...crossing(worst),
      badness: score,
      reason: WATCHED[worst]!.reason,
      band: { lower: crossing(1).level, upper: crossing(0).level },
    };
  }

  #advance(next: number): void {
    const { scalars, slots, periodMs } = this.#memory;
    const { slot } = scalars;
    this.#seen.close();
    const isWell = scalars.slotFiring * 2 <= scalars.slotCount;
    if (scalars.slotCount > 0) {
      scalars.blockSlots++;
      if (this.#expectation.isWeekKnown) scalars.blockSlotsWeekly++;
      if (isWell) this.#learnScale(scalars.slotOff / scalars.slotCount);
    }
    this.#history.close(slot, scalars.slotCount === 0 ? Number.NaN : scalars.slotSum / scalars.slotCount, isWell);
    this.#levels.follow();
    if (Math.floor(next / slots) !== Math.floor(slot / slots)) this.#endBlock();
    // Of more than a week nothing but gaps would be left: what was known stays known.
    for (let skipped = slot + 1; skipped < Math.min(next, slot + slots); skipped++) {
      this.#history.close(skipped, Number.NaN, true);
    }
    const firingMs = scalars.firing === 1 ? scalars.lastAt - scalars.firingSince : 0;
    if (firingMs >= ADOPT_PERIODS * periodMs) this.#adopt(slot + 1);
    Object.assign(this.#memory.scalars, { slot: next, slotSum: 0, slotCount: 0, slotOff: 0, slotFiring: 0 });
    this.#expectation.openSlot();
  }

  #learnScale(off: number): void {
    const { scalars, scales, slots } = this.#memory;
    if (off === 0 && scalars.scaleSlots === 0) return;
    const { scale: usual } = this.#expectation.own;
    scalars.scaleSlots++;
    const clipped = scalars.scale === 0 ? off : Math.min(off, SCALE_CLIP * usual);
    scalars.scale += Math.max(1 / scalars.scaleSlots, 1 / (PERIODS_KEPT * slots)) * (clipped - scalars.scale);
    const at = mod(scalars.slot, slots);
    const known = scales[at]!;
    scales[at] = known === 0 ? clipped : known + (clipped - known) / Math.min(PERIODS_KEPT, scalars.blocks + 1);
    this.#memory.changed();
  }

  #endBlock(): void {
    const { scalars, greatest, slots } = this.#memory;
    const isWhole = scalars.blockSlots >= slots * WHOLE_SHARE;
    if (isWhole && scalars.blocks++ > 0) this.#levels.record();
    scalars.sparseBlocks = isWhole ? 0 : scalars.sparseBlocks + 1;
    scalars.blockSlots = 0;
    scalars.blockSlotsWeekly = 0;
    this.#seen.endPeriod();
    greatest.fill(0);
    // Days with gaps are no days of rare readings.
    if (scalars.sparseBlocks >= 2 && scalars.intervalMs > SPARSE * this.#memory.slotMs) this.#thin();
  }

  /** What has fired for so long is how it is: the level moves there, and how much is too much is learned anew. */
  #adopt(slot: number): void {
    const { scalars, slots, greatest } = this.#memory;
    this.#history.adopt(slot);
    Object.assign(scalars, { firing: 0, over: 0, calmSince: 0, recorded: 0, shortMean: 0, longMean: 0 });
    Object.assign(scalars, { shortExcused: 0, longExcused: 0, shortWeekly: 0, longWeekly: 0 });
    scalars.averagedFrom = scalars.lastAt;
    // Deviations of one period weigh as much as what was learned before.
    scalars.scaleSlots = Math.min(scalars.scaleSlots, slots);
    greatest.fill(0);
    this.#levels.learn();
  }

  /** Readings are too rare for such slots, and have been for two periods: it begins again with longer ones. */
  #thin(): void {
    const { scalars, periodMs } = this.#memory;
    const slots = SLOTS_SPARSE.find((each) => periodMs / each >= scalars.intervalMs && each < this.#memory.slots);
    const slotMs = slots === undefined ? scalars.intervalMs : periodMs / slots;
    const memory = new Memory(slots ?? SLOTS_SPARSEST, Math.max(SLOT_MS_MIN, Math.round(slotMs)));
    const { skewMs, firstAt, lastAt, outageMs, readings, intervalMs, lastValue, changedAt, runLength, step, relearns } =
      scalars;
    Object.assign(memory.scalars, { skewMs, firstAt, lastAt, outageMs, readings, intervalMs });
    Object.assign(memory.scalars, { lastValue, changedAt, runLength, step, relearns, averagedFrom: lastAt });
    memory.scalars.slot = Math.floor(lastAt / memory.slotMs);
    this.#memory = memory;
    this.#history = new History(memory, this.#plan.seasons);
    this.#seen = new Seen(memory);
    this.#expectation = new Expectation(memory, this.#history);
    this.#levels = new Levels(memory, this.#history, this.#plan.sensitivity);
  }

  /** Days as they were learned go on where they were; only that the clock says something else is kept. */
  moveTime(move: TimeMove): void {
    const { scalars } = this.#memory;
    const last = scalars.lastAt + scalars.skewMs;
    if (scalars.readings > 0) scalars.skewMs += movedPast(last, move) - last;
  }

  get state(): Json {
    return this.#memory.state as unknown as Json;
  }
}
