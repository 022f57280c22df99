import type { GapReason, GapReport } from '@weir/protocols';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holesOf, newRun, type Run, receive, spanOf, sumsOf, tell } from './run.ts';

const UNIVERSE = 80;

function gap(seq: number, through: number, count = through - seq, reason: GapReason = 'bytes'): GapReport {
  return { type: 'gap', id: `${seq}`, ts: seq, lane: 'live', epoch: 'l.r', seq, through, count, reason };
}

const range = fc.tuple(fc.nat(UNIVERSE - 1), fc.integer({ min: 1, max: 12 }));
const steps = fc.array(
  fc.oneof(
    range.map(([from, n]) => ({ got: [from, from + n] as const })),
    range.map(([from, n]) => ({ told: [from, from + n] as const })),
  ),
  { maxLength: 40 },
);

describe('what is known of a run', () => {
  test('is what was received and what was told, however often, in whichever order', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const got = new Set<number>();
        const told = new Set<number>();
        let run: Run = newRun(0);
        for (const step of all) {
          const [from, to] = 'got' in step ? step.got : step.told;
          const numbers = Array.from({ length: to - from }, (_, at) => from + at);
          if ('got' in step) {
            const fresh = numbers.filter((n) => !got.has(n));
            const taken = receive(run, from, to, 1);
            expect(taken.fresh.flatMap(([a, b]) => Array.from({ length: b - a }, (_, at) => a + at))).toEqual(fresh);
            run = taken.run;
            for (const n of numbers) got.add(n);
          } else {
            run = tell(run, gap(from, to), 1);
            for (const n of numbers) told.add(n);
          }
          const known = [...got, ...told];
          const [low, high] = [Math.min(...known), Math.max(...known) + 1];
          expect(spanOf(run)).toEqual([low, high]);
          const lost = [...told].filter((n) => !got.has(n)).length;
          expect(sumsOf(run)).toEqual({ received: got.size, missing: high - low - got.size, dropped: lost });
          const holes = holesOf(run);
          expect(holes.reduce((sum, { missing }) => sum + missing, 0)).toBe(high - low - got.size);
          expect(holes.reduce((sum, { dropped }) => sum + dropped, 0)).toBe(lost);
        }
      }),
    );
  });

  test('of ranges of which some items were given up, the count is kept, and never more than are missing', () => {
    let run = receive(newRun(0), 0, 10, 1).run;
    run = receive(run, 15, 30, 2).run;
    run = tell(run, gap(8, 20, 3, 'downsampled'), 3);
    expect(sumsOf(run)).toEqual({ received: 25, missing: 5, dropped: 3 });
    expect(tell(run, gap(8, 20, 3, 'downsampled'), 4).told).toEqual(run.told);
    run = tell(run, gap(10, 14, 4), 5);
    expect(sumsOf(run)).toEqual({ received: 25, missing: 5, dropped: 5 });
    expect(run.told).toMatchObject([{ seq: 8, through: 20, reasons: { downsampled: 3, bytes: 4 } }]);
    run = receive(run, 10, 15, 6).run;
    expect(sumsOf(run)).toEqual({ received: 30, missing: 0, dropped: 0 });
  });

  test('drops one after another are one range, with the times of the first and the last', () => {
    let run = tell(newRun(0), { ...gap(0, 5), from: 100, to: 200 }, 1);
    run = tell(run, { ...gap(5, 9), from: 210, to: 300 }, 2);
    expect(run.told).toEqual([{ seq: 0, through: 9, reasons: { bytes: 9 }, ts: 5, at: 2, from: 100, to: 300 }]);
    run = tell(run, gap(9, 10, 1, 'age'), 3);
    expect(run.told).toHaveLength(2);
  });

  test('holes beyond the limit are closed, those accounted for first, and every sum stays exact', () => {
    let run = newRun(0);
    const drops: [number, number][] = [];
    for (let n = 0; n < 3_000; n++) {
      run = receive(run, n * 10, n * 10 + 8, n).run;
      if (n % 3 > 0) drops.push([n * 10 + 8, n * 10 + 10]);
      if (n % 3 > 0) run = tell(run, gap(n * 10 + 8, n * 10 + 10), n);
    }
    const missing = 2_999 * 2 + 2;
    expect(run.list.length).toBeLessThanOrEqual(512);
    expect(run.told!.length).toBeLessThanOrEqual(128);
    expect(JSON.stringify(run).length).toBeLessThan(40_000);
    expect(sumsOf(run)).toEqual({ received: 24_000, missing, dropped: drops.length * 2 });
  });

  test('a hole tells since when it is known, and what was told of it', () => {
    let run = receive(newRun(5), 0, 10, 5).run;
    run = receive(run, 20, 30, 7).run;
    expect(holesOf(run)).toEqual([{ seq: 10, through: 20, missing: 10, dropped: 0, since: 7 }]);
    run = tell(run, gap(12, 15), 9);
    expect(holesOf(run)).toMatchObject([
      { seq: 10, through: 12, missing: 2, dropped: 0, since: 7 },
      { seq: 12, through: 15, missing: 3, dropped: 3, since: 9, told: { reasons: { bytes: 3 } } },
      { seq: 15, through: 20, missing: 5, dropped: 0, since: 7 },
    ]);
  });
});
