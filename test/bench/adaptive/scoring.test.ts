import { createAdaptive } from '@weir/runtime';
import { expect, test } from 'vitest';
import { familyTrace } from './faults.ts';
import { scoreLearned, scoreOracle } from './fixed.ts';
import { added, scoreOf } from './scoring.ts';
import { KINDS, type LabelledTrace, syntheticTrace } from './synthetic.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A value an hour. */
function traceOf(values: number[], windows: [from: number, to: number][]): LabelledTrace {
  const inMs = windows.map(([from, to]) => [from * HOUR_MS, to * HOUR_MS] as [number, number]);
  return { name: 'made', readings: values.map((value, at) => ({ ts: at * HOUR_MS, value })), windows: inMs };
}

test('a window is detected at the first reading that says so; what begins outside is a false alarm, what goes on is none', () => {
  const trace = traceOf([0, 1, 0, 0, 1, 1, 1, 1, 0], [[3, 5]]);
  const { detected, delaysH, falseAlarms, weeks } = scoreOf(trace, (_ts, value) => value === 1);
  expect({ detected, delaysH, falseAlarms }).toEqual({ detected: 1, delaysH: [1], falseAlarms: 1 });
  expect(weeks * 168).toBe(8);
});

test('what is not judged is neither time nor end', () => {
  const trace = traceOf([1, Number.NaN, 1, 0], []);
  const { falseAlarms, weeks } = scoreOf(trace, (_ts, value) => (Number.isNaN(value) ? undefined : value === 1));
  expect({ falseAlarms, hours: weeks * 168 }).toEqual({ falseAlarms: 1, hours: 2 });
});

test('the oracle is never worse than the level that was learned', () => {
  for (const kind of Object.keys(KINDS)) {
    const trace = syntheticTrace(kind, 'shift', 7);
    const worth = ({ windows, detected, falseAlarms, weeks }: ReturnType<typeof scoreOf>) =>
      detected / windows - falseAlarms / weeks;
    const [learned, oracle] = [scoreLearned(trace, 3 * DAY_MS), scoreOracle(trace, 3 * DAY_MS)];
    expect(worth(oracle), kind).toBeGreaterThanOrEqual(worth(learned));
  }
});

test('series that are well have no more false alarms than sensitivity medium states, their first weekends included', () => {
  const scores = Object.keys(KINDS).map((kind) => {
    const plan = { direction: 'both', sensitivity: 'medium', learnMs: 3 * DAY_MS, seasons: ['day', 'week'] } as const;
    const series = createAdaptive({ ...plan, seasons: [...plan.seasons] });
    return scoreOf(syntheticTrace(kind, 'none', 4_711), (ts, value) => series.take(ts, value));
  });
  const { falseAlarms, weeks } = added(scores);
  expect(weeks).toBeGreaterThan(50);
  expect(falseAlarms / weeks).toBeLessThan(0.25);
});

test('a trace of a seed is the same again, and its faults are where it says', () => {
  const [first, again] = [1, 1].map((seed) => syntheticTrace('steady', 'shift', seed));
  expect(again).toEqual(first);
  const [from, to] = first!.windows[0]!;
  const within = first!.readings.filter(({ ts }) => ts >= from && ts < to).map(({ value }) => value);
  expect(within.length).toBeGreaterThan(200);
  expect(Math.min(...within)).toBeGreaterThan(53);
});

test('a family of a seed is the same again, well without faults and with what is wrong within its windows', () => {
  const [well, wrong, again] = [
    familyTrace('compressor', 3, []),
    familyTrace('compressor', 3),
    familyTrace('compressor', 3),
  ];
  expect(again).toEqual(wrong);
  expect(well.windows).toEqual([]);
  expect(wrong.faults.length).toBe(wrong.windows.length);
  const isWithin = (ts: number) => wrong.windows.some(([from, to]) => ts >= from && ts < to);
  const differ = wrong.readings.filter(({ value }, at) => value !== well.readings[at]!.value);
  expect(differ.length).toBeGreaterThan(10);
  expect(differ.every(({ ts }) => isWithin(ts))).toBe(true);
});
