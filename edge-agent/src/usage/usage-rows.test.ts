import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openInMemory, stepOf } from '../spool/spool.fixture.ts';
import { reportsOf, used } from './usage.fixture.ts';

const DAY = 86_400_000;
/** In the morning. */
const NOW = 1_700_000_000_000 - (1_700_000_000_000 % DAY) + DAY / 4;

test('what steps used is told once, as what came on top of the report before', () => {
  const ops = openInMemory();
  ops.commitStep(stepOf(1, { usage: [used('mean', 100), used('max', 7)], now: NOW }));
  ops.commitStep(stepOf(2, { usage: [used('mean', 11, { heapBytesMax: 9, errors: 1, outputs: 3 })], now: NOW + 1 }));
  expect(ops.tellUsage([], true, NOW + 60_000)).toBe(2);
  expect(ops.tellUsage([], true, NOW + 120_000)).toBe(0);
  ops.commitStep(stepOf(3, { usage: [used('mean', 1)], now: NOW + 130_000 }));
  expect(ops.tellUsage([], true, NOW + 180_000)).toBe(1);
  expect(reportsOf(ops)).toEqual([
    expect.objectContaining({ function: 'max', readings: 7 }),
    {
      type: 'usage',
      id: `mean@1:${NOW + 60_000}`,
      from: NOW,
      ts: NOW + 60_000,
      function: 'mean',
      version: '1',
      memoryMb: 64,
      invocations: 2,
      readings: 111,
      cpuMs: 13.875,
      heapBytesMax: 9,
      errors: 1,
      outputs: 3,
    },
    expect.objectContaining({ function: 'mean', readings: 1, from: NOW + 130_000, ts: NOW + 180_000 }),
  ]);
});

test('a step that was not committed used nothing: it will be repeated, and counted then', () => {
  const ops = openInMemory();
  expect(() => ops.commitStep(stepOf(2, { usage: [used('mean', 5)], now: NOW }))).toThrow('does not follow');
  expect(ops.tellUsage([], true, NOW)).toBe(0);
});

test('away from the hub a device makes one report a day, however often it is asked: months must fit into the outbox', () => {
  const ops = openInMemory();
  let step = 0;
  for (let hour = 0; hour < 3 * 24; hour++) {
    const now = NOW + hour * 3_600_000;
    ops.commitStep(stepOf(++step, { usage: [used('mean', 1)], now }));
    ops.tellUsage([], false, now);
  }
  // From six in the morning on.
  expect(reportsOf(ops).map(({ readings }) => readings)).toEqual([18, 24, 24]);
  ops.tellUsage([], true, NOW + 3 * DAY);
  const reports = reportsOf(ops);
  expect(reports.map(({ readings }) => readings)).toEqual([18, 24, 24, 6]);
  // Each within its day.
  expect(reports.map(({ from, ts }) => Math.floor(ts / DAY) - Math.floor(from / DAY))).toEqual([0, 0, 0, 0]);
});

test('a clock that is set back costs no number', () => {
  const ops = openInMemory();
  ops.commitStep(stepOf(1, { usage: [used('mean', 2)], now: NOW }));
  ops.commitStep(stepOf(2, { usage: [used('mean', 3)], now: NOW - 2 * DAY }));
  ops.tellUsage([], true, NOW - 2 * DAY + 5);
  const reports = reportsOf(ops);
  expect(reports.map(({ readings, from, ts }) => [readings, ts >= from])).toEqual([
    [3, true],
    [2, true],
  ]);
});

test('whatever is committed, kept and told in whatever order: all reports together and what waits are all that was used', () => {
  const action = fc.record({
    does: fc.constantFrom('step', 'step', 'tell', 'tell-away'),
    fold: fc.constantFrom('a', 'b'),
    version: fc.constantFrom('1', '2'),
    readings: fc.nat(1_000),
    passes: fc.nat(DAY),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const ops = openInMemory();
      const sums = new Map<string, number>();
      let now = NOW;
      let step = 0;
      for (const { does, fold, version, readings, passes } of actions) {
        now += passes;
        sums.set(`${fold}@${version}`, (sums.get(`${fold}@${version}`) ?? 0) + readings);
        const usage = [used(fold, readings, { version })];
        if (does === 'step') ops.commitStep(stepOf(++step, { usage, now }));
        else ops.tellUsage(usage, does === 'tell', now);
      }
      ops.tellUsage([], true, now);
      const told = Map.groupBy(reportsOf(ops), (report) => `${report.function}@${report.version}`);
      const toldSums = [...told].map(([key, reports]) => [
        key,
        reports.reduce((sum, { readings }) => sum + readings, 0),
      ]);
      expect(new Map(toldSums as [string, number][])).toEqual(sums);
    }),
    { numRuns: 50 },
  );
});
