/** What a judge of readings makes of a trace whose anomalies are known. */
import type { LabelledTrace } from './synthetic.ts';

/** Whether it says that something is wrong, reading by reading; undefined: it does not say. */
export type Judge = (ts: number, value: number) => boolean | undefined;

export interface Score {
  windows: number;
  /** Windows within which it said so at least once. */
  detected: number;
  /** From the beginning of a window until it first said so, hours. */
  delaysH: number[];
  /** Episodes that began outside of all windows: what goes on after one has not begun then. */
  falseAlarms: number;
  /** Of judging. */
  weeks: number;
  beginnings: number[];
  /** By window, whether it was detected. */
  found: boolean[];
}

const HOUR_MS = 3_600_000;
const WEEK_MS = 168 * HOUR_MS;
/** Between readings; longer is an outage, in which nobody judges. */
const GAP_MS_MAX = 6 * HOUR_MS;

export function scoreOf({ readings, windows }: LabelledTrace, judge: Judge): Score {
  const firstAt = new Map<number, number>();
  const beginnings: number[] = [];
  let [falseAlarms, judgedMs, before] = [0, 0, Number.NaN];
  let isFiring = false;
  for (const { ts, value } of readings) {
    const verdict = judge(ts, value);
    if (verdict !== undefined) judgedMs += Math.min(ts - before, GAP_MS_MAX) || 0;
    before = ts;
    const window = windows.findIndex(([from, to]) => ts >= from && ts <= to);
    if (verdict === true) {
      if (window >= 0 && !firstAt.has(window)) firstAt.set(window, ts);
      if (!isFiring) beginnings.push(ts);
      if (!isFiring && window < 0) falseAlarms++;
    }
    // What nobody knows ends nothing.
    isFiring = verdict ?? isFiring;
  }
  const delaysH = [...firstAt].map(([window, ts]) => (ts - windows[window]![0]) / HOUR_MS);
  return {
    windows: windows.length,
    detected: firstAt.size,
    delaysH,
    falseAlarms,
    weeks: judgedMs / WEEK_MS,
    beginnings,
    found: windows.map((_window, at) => firstAt.has(at)),
  };
}

export function added(scores: readonly Score[]): Score {
  const sum = (of: (score: Score) => number) => scores.reduce((total, score) => total + of(score), 0);
  return {
    windows: sum(({ windows }) => windows),
    detected: sum(({ detected }) => detected),
    delaysH: scores.flatMap(({ delaysH }) => delaysH),
    falseAlarms: sum(({ falseAlarms }) => falseAlarms),
    weeks: sum(({ weeks }) => weeks),
    beginnings: [],
    found: scores.flatMap(({ found }) => found),
  };
}
