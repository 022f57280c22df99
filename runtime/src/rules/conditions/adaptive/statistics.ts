/**
 * What is looked at with each reading, each compared with what it is when all is well:
 *
 *     off        how far the reading is from what is expected now, up and down
 *     shortly    that, averaged over a 24th of a period (an hour), up and down
 *     long       that, without the offset, over a quarter of a period: what goes away slowly, up and down
 *     sudden     how far the reading is from those of the last half hour, up and down
 *     unsteady   how far readings are from one another, on average over an hour
 *     stuck      for how long the value has been the same
 */
import type { Adaptive } from '@weir/protocols';
import { type Memory, STATISTICS } from './memory.ts';

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
}

const SHORT = 1 / 24;
const LONG = 1 / 4;
const FAST = 1 / 48;

const pair = (statistic: Omit<Statistic, 'direction'>): Statistic[] => [
  { ...statistic, direction: 'above' },
  { ...statistic, direction: 'below' },
];

export const WATCHED: readonly Statistic[] = [
  ...pair({ reason: 'off', levelMin: 4, over: 0, after: SHORT }),
  ...pair({ reason: 'off', levelMin: 3, over: SHORT, after: SHORT }),
  ...pair({ reason: 'off', levelMin: 2.5, over: LONG, after: LONG }),
  ...pair({ reason: 'sudden', levelMin: 5, over: 0, after: SHORT }),
  { reason: 'unsteady', levelMin: 0.5, over: SHORT, after: SHORT },
  // An eighth of a day: what is measured seldom changes by itself is learned from maxima.
  { reason: 'stuck', levelMin: 1 / 8, over: 1 / 8, after: 0 },
];
/** Fewer readings that are the same are no standstill. */
const STUCK_READINGS_MIN = 12;
/** One spike is not unsteadiness, however high. */
const STEP_MAX = 20;
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
  /** Without the offset. */
  baseline: number;
  offset: number;
  /** Mean deviation at this time of the day, and at any. */
  scale: number;
  scaleOfAll: number;
}

/** Takes a reading into the averages. @param dtMs since the reading before, 0: averages begin with this one */
export function statisticsOf(
  memory: Memory,
  value: number,
  dtMs: number,
  expected: Expected,
  levels: Float64Array,
  into: Float64Array,
): Float64Array {
  const { scalars, periodMs } = memory;
  const off = (value - expected.baseline - expected.offset) / expected.scale;
  const gain = (share: number) => (dtMs === 0 ? 1 : 1 - Math.exp(-dtMs / (share * periodMs)));
  if (dtMs === 0) scalars.fastMean = value;
  const sudden = (value - scalars.fastMean) / expected.scale;
  scalars.fastMeanBefore = scalars.fastMean;
  const offLong = (value - expected.baseline) / expected.scaleOfAll;
  scalars.shortMean += gain(SHORT) * (clipped(off, levels, 2) - scalars.shortMean);
  scalars.longMean += gain(LONG) * (clipped(offLong, levels, 4) - scalars.longMean);
  scalars.fastMean += gain(FAST) * (value - scalars.fastMean);
  if (dtMs > 0) scalars.volatility += gain(SHORT) * (Math.min(Math.abs(sudden), STEP_MAX) - scalars.volatility);
  into[0] = off;
  into[2] = scalars.shortMean;
  into[4] = scalars.longMean;
  into[6] = sudden;
  for (let up = 0; up < STATISTICS - 2; up += 2) into[up + 1] = -into[up]!;
  into[STATISTICS - 2] = scalars.volatility;
  const isStuck = scalars.runLength >= STUCK_READINGS_MIN;
  into[STATISTICS - 1] = isStuck ? (scalars.lastAt - scalars.changedAt) / periodMs : 0;
  return into;
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
): { value: number; level: number } {
  const { lastValue, shortMean, longMean, fastMeanBefore, volatility } = memory.scalars;
  const { baseline, offset, scale, scaleOfAll } = expected;
  const side = statistic % 2 === 0 ? level : -level;
  switch (statistic >> 1) {
    case 0:
      return { value: lastValue, level: baseline + offset + side * scale };
    case 1:
      return { value: baseline + offset + shortMean * scale, level: baseline + offset + side * scale };
    case 2:
      return { value: baseline + longMean * scaleOfAll, level: baseline + side * scaleOfAll };
    case 3:
      return { value: lastValue, level: fastMeanBefore + side * scale };
    default:
      // It stands still where it is, or goes to and fro by more than it does.
      return statistic === STATISTICS - 1
        ? { value: lastValue, level: lastValue }
        : { value: volatility * scale, level: level * scale };
  }
}
