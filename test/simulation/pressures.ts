/** What the rule `pressed` of the hub has to go by. */
import type { HistoryReading } from '@weir/cloud';
import { LEVEL } from './bundles.ts';

/** What is stored of a sensor for a rule in the hub, by event time. */
export interface Pressure {
  /**
   * How often it passes the level. With the clock of its device set back, readings of an excursion come before the last of
   * those below it: then it is twice where the sensor knows of once.
   */
  passed: number;
  /** The last time it is below. */
  belowAt: number;
}

export function followPressures(
  device: string,
  history: readonly HistoryReading[],
  pressures: Map<string, Pressure>,
): void {
  const isHigh = new Map<string, boolean>();
  const inOrder = history.filter(({ metric }) => metric === 'pressure').sort((a, b) => a.ts - b.ts);
  for (const { sensor, value, ts } of inOrder) {
    const key = `${device}/${sensor}`;
    const pressure = pressures.get(key) ?? { passed: 0, belowAt: Number.NEGATIVE_INFINITY };
    pressures.set(key, pressure);
    const isAbove = (value as number) > LEVEL;
    if (isAbove && !isHigh.get(key)) pressure.passed++;
    if (!isAbove) pressure.belowAt = ts;
    isHigh.set(key, isAbove);
  }
}
