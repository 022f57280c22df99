import type { Measure, Value, Window } from '@weir/protocols';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createGauge, type Gauge } from './gauge.ts';

const T0 = 1_700_000_040_000;

/** Values after each sample `[second, value]`. */
function values(measure: Measure, samples: [number, Value][]): (Value | undefined)[] {
  const gauge = createGauge(measure, undefined);
  return samples.map(([second, value]) => {
    gauge.add(T0 + second * 1_000, value);
    return gauge.valueAt(T0 + second * 1_000);
  });
}

const by = (kind: 'avg' | 'sum' | 'count' | 'change' | 'change-percent', window: Window): Measure => ({ kind, window });
const ms = (seconds: number, mode: 'sliding' | 'tumbling' = 'sliding'): Window => ({ ms: seconds * 1_000, mode });
const last = (samples: number, mode: 'sliding' | 'tumbling' = 'sliding'): Window => ({ samples, mode });

describe('when a window is known', () => {
  const check = (title: string, measure: Measure, samples: [number, Value][], expected: (number | undefined)[]) =>
    test(title, () => expect(values(measure, samples)).toEqual(expected));

  check(
    'by time: once it was full',
    by('avg', ms(20)),
    [
      [0, 1],
      [10, 3],
      [20, 5],
      [30, 7],
    ],
    [undefined, undefined, 4, 6],
  );
  check(
    'by samples',
    by('sum', last(2)),
    [
      [0, 1],
      [1, 3],
      [2, 5],
    ],
    [undefined, 4, 8],
  );
  check(
    'a count at once',
    by('count', ms(20)),
    [
      [0, 1],
      [10, 'on'],
      [20, 5],
    ],
    [1, 2, 2],
  );
  check(
    'one by one: the whole windows alone',
    by('avg', ms(20, 'tumbling')),
    [
      [10, 1],
      [20, 3],
      [30, 5],
      [41, 7],
      [85, 1],
    ],
    [undefined, undefined, undefined, 4, undefined],
  );
  check(
    'one by one by samples',
    by('sum', last(2, 'tumbling')),
    [
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
    ],
    [undefined, 3, 3, 7],
  );
  check(
    'a change has both its ends',
    by('change', ms(10)),
    [
      [0, 1],
      [10, 3],
      [20, 4],
    ],
    [undefined, 2, 1],
  );
  check(
    'a change by nothing is unknown',
    by('change-percent', last(2)),
    [
      [0, 0],
      [1, 3],
      [2, 6],
      [3, 3],
    ],
    [undefined, undefined, 100, -50],
  );
  check(
    'a rate is by its own time',
    { kind: 'rate', window: ms(10), perMs: 60_000 },
    [
      [0, 1],
      [20, 2],
      [30, 4],
    ],
    [undefined, undefined, 12],
  );
  check(
    'a bad reading is no sample',
    by('avg', last(2)),
    [
      [0, 1],
      [1, 'off'],
      [2, 3],
    ],
    [undefined, undefined, 2],
  );
});

test('a count falls by time alone, down to 0', () => {
  const gauge = createGauge(by('count', ms(10)), undefined);
  gauge.add(T0, 1);
  gauge.add(T0 + 4_000, 1);
  expect([gauge.valueAt(T0 + 4_000), gauge.dueAt(T0 + 4_000)]).toEqual([2, T0 + 10_000]);
  expect([gauge.valueAt(T0 + 10_000), gauge.dueAt(T0 + 10_000)]).toEqual([1, T0 + 14_000]);
  expect([gauge.valueAt(T0 + 14_000), gauge.dueAt(T0 + 14_000)]).toEqual([0, undefined]);
});

describe('against brute force', () => {
  const kinds = [
    'avg',
    'min',
    'max',
    'sum',
    'count',
    'stddev',
    'change',
    'change-percent',
    'rate',
    'quantile',
  ] as const;
  const measure = (kind: (typeof kinds)[number], window: Window, q = 0.9): Measure => {
    if (kind === 'quantile') return { kind, q, window };
    return kind === 'rate' ? { kind, window, perMs: 1_000 } : { kind, window };
  };

  test('every measure by time and by samples, however far values lie off, with a restart at any place', () => {
    const sample = fc.record({
      dt: fc.integer({ min: 0, max: 9 }),
      value: fc.integer({ min: -50, max: 50 }),
      restart: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(sample, { maxLength: 80 }),
        fc.constantFrom(...kinds),
        fc.constantFrom(1, 3, 7, 20),
        fc.boolean(),
        fc.constantFrom(0, 1e6, 1e9),
        (steps, kind, length, byTime, offset) => {
          const window = byTime ? ms(length) : last(length);
          const kept: [number, number][] = [];
          let gauge = createGauge(measure(kind, window), undefined);
          let ts = T0;
          for (const { dt, value, restart } of steps) {
            ts += dt * 1_000;
            gauge.add(ts, value + offset);
            kept.push([ts, value + offset]);
            const is = gauge.valueAt(ts);
            expectNear(
              is as number | undefined,
              slow(kind, kept, byTime ? { ms: length * 1_000 } : { samples: length }),
            );
            const again = createGauge(measure(kind, window), JSON.parse(JSON.stringify(gauge.state)));
            expect(again.valueAt(ts)).toBe(is);
            if (restart) gauge = again;
          }
        },
      ),
    );
  });

  test('of a long window nothing is lost in 100,000 samples: great numbers that hardly differ', () => {
    const gauges = (['avg', 'sum', 'stddev'] as const).map((kind) =>
      createGauge({ kind, window: last(100) }, undefined),
    );
    const kept: [number, number][] = [];
    for (let at = 0; at < 100_000; at++) {
      const value = at % 1_000 === 0 ? 1e12 : 1e6 + (at % 7) * 0.001;
      kept.push([T0 + at, value]);
      for (const gauge of gauges) gauge.add(T0 + at, value);
    }
    const window = kept.slice(-100).map(([, value]) => value - 1e6);
    const mean = window.reduce((sum, value) => sum + value, 0) / 100;
    const deviation = Math.sqrt(window.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 100);
    const [avg, sum, stddev] = gauges.map((gauge) => gauge.valueAt(T0 + 100_000) as number);
    expect(avg! - 1e6).toBeCloseTo(mean, 8);
    expect(sum! / 100 - 1e6).toBeCloseTo(mean, 8);
    expect(stddev).toBeCloseTo(deviation, 8);
  });

  test('the mean of a value that does not change is this value, to the last bit', () => {
    for (const window of [last(10), ms(600), last(5_000)]) {
      const gauge = createGauge({ kind: 'avg', window }, undefined);
      for (let at = 0; at < 6_000; at++) gauge.add(T0 + at * 1_000, 70.1);
      expect(gauge.valueAt(T0 + 6_000_000)).toBe(70.1);
    }
  });

  describe('a window of more samples than are kept', () => {
    const run = (kind: (typeof kinds)[number], window: Window, count: number) => {
      let gauge: Gauge = createGauge(measure(kind, window), undefined);
      const kept: [number, number][] = [];
      for (let at = 0; at < count; at++) {
        const value = 20 + 10 * Math.sin(at / 500) + ((at * 7919) % 100) / 100;
        gauge.add(T0 + at * 1_000, value);
        kept.push([T0 + at * 1_000, value]);
        if (at % 777 === 0) gauge = createGauge(measure(kind, window), JSON.parse(JSON.stringify(gauge.state)));
      }
      return { gauge, kept, now: kept.at(-1)![0] };
    };

    for (const kind of kinds) {
      test(`${kind}: as of a window that is up to 1/64 shorter`, () => {
        for (const window of [ms(3_600), last(3_600)]) {
          const { gauge, kept, now } = run(kind, window, 9_000);
          const is = gauge.valueAt(now) as number;
          const shorter = 'ms' in window ? { ms: window.ms - 57_000 } : { samples: 3_600 - 57 };
          const ends = [slow(kind, kept, window)!, slow(kind, kept, shorter)!];
          // Of the noise at its edges, which counts in full where two samples alone make the value.
          const slack = { quantile: 0.6, count: 30, sum: 30, 'change-percent': 6 }[kind as string] ?? 0.25;
          expect(is).toBeGreaterThanOrEqual(Math.min(...ends) - slack);
          expect(is).toBeLessThanOrEqual(Math.max(...ends) + slack);
          expect(JSON.stringify(gauge.state).length).toBeLessThan(36_000);
        }
      });
    }
  });
});

function expectNear(is: number | undefined, wanted: number | undefined): void {
  if (is === undefined || wanted === undefined) expect(is).toBe(wanted);
  else expect(Math.abs(is - wanted)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(wanted)));
}

/** From all samples, anew. */
function slow(kind: string, all: [number, number][], window: { ms: number } | { samples: number }): number | undefined {
  const [now] = all.at(-1)!;
  const isDifference = ['change', 'change-percent', 'rate'].includes(kind);
  if (kind !== 'count' && ('ms' in window ? now - all[0]![0] < window.ms : all.length < window.samples))
    return undefined;
  const within =
    'ms' in window
      ? all.filter(([ts]) => (isDifference ? ts >= now - window.ms : ts > now - window.ms))
      : all.slice(-window.samples);
  const values = within.map(([, value]) => value);
  const [first, latest] = [within[0]!, within.at(-1)!];
  const sum = values.reduce((a, b) => a + b, 0);
  const mean = sum / values.length;
  switch (kind) {
    case 'avg':
      return mean;
    case 'min':
      return Math.min(...values);
    case 'max':
      return Math.max(...values);
    case 'sum':
      return sum;
    case 'count':
      return values.length;
    case 'stddev':
      return Math.sqrt(values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length);
    case 'change':
      return values.length < 2 ? undefined : latest[1] - first[1];
    case 'change-percent':
      return values.length < 2 || first[1] === 0 ? undefined : ((latest[1] - first[1]) / Math.abs(first[1])) * 100;
    case 'rate':
      return latest[0] === first[0] ? undefined : ((latest[1] - first[1]) / (latest[0] - first[0])) * 1_000;
    default: {
      const sorted = [...values].sort((a, b) => a - b);
      const rank = 0.9 * (sorted.length - 1);
      const low = Math.floor(rank);
      return sorted[low]! + (sorted[Math.ceil(rank)]! - sorted[low]!) * (rank - low);
    }
  }
}
