/**
 * What is looked at with each reading, each compared with what it is when all is well:
 *
 *     off        how far the reading is from what is expected now, up and down
 *     shortly    that, averaged over a 24th of a period (an hour), up and down
 *     long       that, without the offset, over a quarter of a period: what goes away slowly, up and down
 *     sudden     how far the reading is from those of the last half hour, up and down
 *     unseen     how far the reading is from any that has been, by what those span, up and down
 *     unsteady   how far readings are from one another, on average over an hour
 *     stuck      for how long the value has been the same
 */
import type { Adaptive } from '@weir/protocols';
import { type Memory, STATISTICS } from './memory.ts';
import type { Seen } from './seen.ts';

export type Reason = 'off' | 'sudden' | 'unsteady' | 'stuck';

interface Statistic {
  reason: Reason;
  /** Of the direction of the rule, that which it belongs to; absent: only a rule for both looks at it. */
  direction?: 'above' | 'below';
  /** No level is less: mean deviations, which are 0.8 of standard ones, or periods. */
  levelMin: number;
  /** Share of a period that it is made of; 0: of one reading. */
  over: number;
  /** Not judged before so much of a period is known. */
  after: number;
  /** Of what is measured by deviations: more than this it never is. */
  most?: number;
}

const SHORT = 1 / 24;
const LONG = 1 / 4;
const FAST = 1 / 48;

/** One spike is not unsteadiness, however high. */
const STEP_MAX = 20;

const pair = (statistic: Omit<Statistic, 'direction'>): Statistic[] => [
  { ...statistic, direction: 'above' },
  { ...statistic, direction: 'below' },
];

export const WATCHED: readonly Statistic[] = [
  ...pair({ reason: 'off', levelMin: 4, over: 0, after: SHORT, most: Number.POSITIVE_INFINITY }),
  ...pair({ reason: 'off', levelMin: 3, over: SHORT, after: SHORT, most: Number.POSITIVE_INFINITY }),
  ...pair({ reason: 'off', levelMin: 2.5, over: LONG, after: LONG, most: Number.POSITIVE_INFINITY }),
  ...pair({ reason: 'sudden', levelMin: 5, over: 0, after: SHORT, most: Number.POSITIVE_INFINITY }),
  ...pair({ reason: 'off', levelMin: 1, over: 0, after: 0 }),
  { reason: 'unsteady', levelMin: 0.5, over: SHORT, after: SHORT, most: STEP_MAX },
  // An eighth of a day: what is measured seldom changes by itself is learned from maxima.
  { reason: 'stuck', levelMin: 1 / 8, over: 1 / 8, after: 0 },
];
/** Fewer readings that are the same are no standstill. */
const STUCK_READINGS_MIN = 12;
/** Mean deviations. */
const SUDDEN_OFF_MIN = 2;
const AVERAGED_MAX = 2;
const AVERAGED_READINGS_MIN = 3;

/** Whether one value of it is made of several readings, so that a glitch is not all of it. */
export function isAveraged({ scalars, periodMs }: Memory, statistic: number): boolean {
  return scalars.intervalMs * AVERAGED_READINGS_MIN <= WATCHED[statistic]!.over * periodMs;
}

export function isWatched(statistic: number, direction: Adaptive['direction']): boolean {
  return direction === 'both' || WATCHED[statistic]!.direction === direction;
}

/** What is expected of a reading: in its unit. */
export interface Expected {
  /** Between which the reading would be as it usually is, with the offset that the last period had. */
  lower: number;
  upper: number;
  offset: number;
  /** Mean deviation at this time of the day, and at any. */
  scale: number;
  scaleOfAll: number;
}

/** What is compared with the levels, and what they are learned from: the latter knows of no excuse. */
export interface Statistics {
  judged: Float64Array;
  learned: Float64Array;
  /** The same, of those that differ, if the series follows the week. */
  weekly: Float64Array;
}

/** By what a reading is compared. */
export interface Explanations {
  expected: Expected;
  /** What else would be usual; the same where there is nothing else. */
  other: Expected;
  /** What would be expected if the series followed the week. */
  weekly: Expected;
}

/**
 * Takes a reading into the averages.
 *
 * @param dtMs since the reading before, 0: averages begin with this one
 * @param unseen how far it is from what has been, by what that may be
 */
export function statisticsOf(
  { scalars, periodMs }: Memory,
  value: number,
  dtMs: number,
  { expected, other, weekly }: Explanations,
  unseen: number,
  levels: Float64Array,
  into: Statistics,
): Statistics {
  const gain = (share: number) => (dtMs === 0 ? 1 : 1 - Math.exp(-dtMs / (share * periodMs)));
  if (dtMs === 0) scalars.fastMean = value;
  const step = (value - scalars.fastMean) / expected.scale;
  scalars.fastMeanBefore = scalars.fastMean;
  scalars.fastMean += gain(FAST) * (value - scalars.fastMean);
  const [short, long] = [gain(SHORT), gain(LONG)];
  if (dtMs > 0) scalars.volatility += short * (Math.min(Math.abs(step), STEP_MAX) - scalars.volatility);
  const average = (known: number, off: number, by: number, at: number) =>
    known + by * (clipped(off, levels, at) - known);
  const off = beyond(value, expected) / expected.scale;
  const offLong = beyondLong(value, expected) / expected.scaleOfAll;
  scalars.shortMean = average(scalars.shortMean, off, short, 2);
  scalars.longMean = average(scalars.longMean, offLong, long, 4);
  put(into.learned, off, scalars.shortMean, scalars.longMean, step, unseen);
  scalars.shortWeekly = average(scalars.shortWeekly, beyond(value, weekly) / weekly.scale, short, 2);
  scalars.longWeekly = average(scalars.longWeekly, beyondLong(value, weekly) / weekly.scaleOfAll, long, 4);
  put(into.weekly, beyond(value, weekly) / weekly.scale, scalars.shortWeekly, scalars.longWeekly);
  const excused = lesser(off, beyond(value, other) / other.scale);
  const excusedLong = lesser(offLong, beyondLong(value, other) / other.scaleOfAll);
  scalars.shortExcused = average(scalars.shortExcused, excused, short, 2);
  scalars.longExcused = average(scalars.longExcused, excusedLong, long, 4);
  // What jumps to where it is expected is not sudden.
  const sudden = Math.abs(excused) < SUDDEN_OFF_MIN ? 0 : step;
  put(into.judged, excused, scalars.shortExcused, scalars.longExcused, sudden, unseen);
  const isStuck = scalars.runLength >= STUCK_READINGS_MIN;
  for (const each of [into.judged, into.learned]) {
    each[STATISTICS - 2] = scalars.volatility;
    each[STATISTICS - 1] = isStuck ? (scalars.lastAt - scalars.changedAt) / periodMs : 0;
  }
  return into;
}

function lesser(a: number, b: number): number {
  return Math.abs(b) < Math.abs(a) ? b : a;
}

function put(into: Float64Array, ...upwards: number[]): void {
  for (const [pair, upward] of upwards.entries()) {
    into[pair * 2] = upward;
    into[pair * 2 + 1] = -upward;
  }
}

/** How far a value is from what is expected; 0 within. */
export function beyond(value: number, { lower, upper }: Pick<Expected, 'lower' | 'upper'>): number {
  return value > upper ? value - upper : Math.min(0, value - lower);
}

/** The same without the offset: what goes away slowly takes it along. */
function beyondLong(value: number, expected: Expected): number {
  return beyond(value + expected.offset, expected);
}

/** What is far beyond counts as twice the level: an average over hours must not need a day to come back. */
function clipped(off: number, levels: Float64Array, upward: number): number {
  return Math.min(Math.max(off, -AVERAGED_MAX * levels[upward + 1]!), AVERAGED_MAX * levels[upward]!);
}

/** Where a statistic crosses its level, in the unit of the readings: what was compared, and with what. */
export function crossingOf(
  memory: Memory,
  statistic: number,
  level: number,
  expected: Expected,
  seen: Seen,
): { value: number; level: number } {
  const { lastValue, shortExcused: shortMean, longExcused: longMean, fastMeanBefore, volatility } = memory.scalars;
  const { lower, upper, offset, scale, scaleOfAll } = expected;
  const isUp = statistic % 2 === 0;
  const side = isUp ? level : -level;
  const edge = isUp ? upper : lower;
  switch (statistic >> 1) {
    case 0:
      return { value: lastValue, level: edge + side * scale };
    case 1:
      return { value: (shortMean > 0 ? upper : lower) + shortMean * scale, level: edge + side * scale };
    case 2:
      return {
        value: (longMean > 0 ? upper : lower) - offset + longMean * scaleOfAll,
        level: edge - offset + side * scaleOfAll,
      };
    case 3:
      return { value: lastValue, level: fastMeanBefore + side * scale };
    case 4:
      return {
        value: lastValue,
        level: lastValue - seen.beyond(lastValue) + side * Math.max(seen.margin(lastValue), scale),
      };
    default:
      // It stands still where it is, or goes to and fro by more than it does.
      return statistic === STATISTICS - 1
        ? { value: lastValue, level: lastValue }
        : { value: volatility * scale, level: level * scale };
  }
}
