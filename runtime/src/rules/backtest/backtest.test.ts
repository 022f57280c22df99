import { type Columns, columnsOf, type Reading, type RuleInput, readingsOf, ruleSchema } from '@weir/protocols';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FunctionSandbox } from '../../sandbox/sandbox.ts';
import { type Backtest, backtest } from './backtest.ts';
import { inOrder, type OverlappingBatch } from './in-order.ts';
import { compareTallies, summaryOf } from './summary.ts';

const T0 = Date.UTC(2026, 0, 12);
const MINUTE = 60_000;
const sandbox: FunctionSandbox = {
  load: async () => ({ kind: 'crashed', message: 'none' }),
  step: async () => ({ kind: 'crashed', message: 'none' }),
  drop: () => {},
};
const reading = (ts: number, value: number, sensor = 'oven1'): Reading => ({
  sensor,
  metric: 'temperature',
  value,
  ts,
});

async function* from<T>(list: readonly T[]): AsyncGenerator<T> {
  yield* list;
}

describe('readings out of batches that overlap', () => {
  const batch = fc.array(fc.nat(50), { minLength: 1, maxLength: 6 });
  test('come each once and in order, those of one time as they came', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { maxLength: 20 }), fc.array(batch, { maxLength: 2 }), async (plain, wide) => {
        let value = 0;
        const made = (times: number[]) => columnsOf(times.map((ms) => reading(T0 + ms, value++)));
        const lowest = (columns: Columns) => Math.min(...columns.ts);
        const wild = wide.map((times): OverlappingBatch => {
          const columns = made(times);
          return { from: lowest(columns), wide: true, columns };
        });
        const others = plain.map((times): OverlappingBatch => {
          const columns = made(times);
          return { from: lowest(columns), columns };
        });
        const batches = [...wild, ...others.sort((a, b) => a.from - b.from)];
        const found: Reading[] = [];
        for await (const columns of inOrder(from(batches))) found.push(...readingsOf(columns));
        const all = batches.flatMap(({ columns }) => [...readingsOf(columns)]);
        expect(found).toEqual(
          all
            .map((each, i) => ({ each, i }))
            .sort((a, b) => a.each.ts - b.each.ts || a.i - b.i)
            .map(({ each }) => each),
        );
      }),
    );
  });

  test('are given before all are there: only what overlaps is held', async () => {
    const batches = Array.from({ length: 100 }, (_, i): OverlappingBatch => {
      const columns = columnsOf(Array.from({ length: 1_000 }, (_, j) => reading(T0 + i * 1_000 + j, 1)));
      return { from: T0 + i * 1_000, columns };
    });
    let taken = 0;
    async function* counted() {
      for (const each of batches) {
        taken++;
        yield each;
      }
    }
    for await (const columns of inOrder(counted())) {
      expect(taken).toBeLessThan(25);
      expect(columns.index.length).toBeGreaterThanOrEqual(20_000);
      break;
    }
  });
});

async function run(
  readings: Reading[],
  rules: Partial<RuleInput>[],
  more: Partial<Parameters<typeof backtest>[2]> = {},
): Promise<Backtest> {
  const built = rules.map((rule) => {
    const parsed = ruleSchema.parse({
      name: 'hot',
      sensor: 'oven*',
      metric: 'temperature',
      above: 80,
      clear: 75,
      ...rule,
    });
    return {
      built: { bundle: { weir: 1, kind: 'rule', rule: parsed } as const, hash: 'a'.repeat(64) },
      configOf: () => ({}),
    };
  });
  return backtest(built, [{ device: 'gw1', parts: from([columnsOf(readings)]) }], {
    sandbox,
    from: T0,
    to: T0 + 60 * MINUTE,
    columns: 40,
    group: 'ovens',
    onProgress: () => {},
    signal: new AbortController().signal,
    ...more,
  });
}

const spans = ({ tallies }: Backtest, of = 0) =>
  tallies[of]!.episodes.map(({ startedAt, resolvedAt }) => [
    (startedAt - T0) / MINUTE,
    resolvedAt === undefined ? undefined : (resolvedAt - T0) / MINUTE,
  ]);
const byMinute = (...values: number[]) => values.map((value, minute) => reading(T0 + minute * MINUTE, value));

test('episodes are listed and added up', async () => {
  const outcome = await run(byMinute(70, 85, 90, 70, 70, 95, 95), [{}]);
  expect(spans(outcome)).toEqual([
    [1, 3],
    [5, undefined],
  ]);
  const summary = summaryOf(outcome.tallies[0]!, T0, T0 + 60 * MINUTE);
  expect(summary).toMatchObject({ episodes: 2, messages: 3, open: 1, again: 1, short: 0, inAlertMs: 57 * MINUTE });
  expect(summary.episodesPerDay).toBeCloseTo(48);
  expect(outcome.readings).toBe(7);
});

test('what was over before the time does not count, what was open then does, with its true begin', async () => {
  const readings = [
    reading(T0 - 9 * MINUTE, 90),
    reading(T0 - 8 * MINUTE, 70),
    reading(T0 - 5 * MINUTE, 90),
    reading(T0 + MINUTE, 70),
  ];
  const outcome = await run(readings, [{}]);
  expect(spans(outcome)).toEqual([[-5, 1]]);
  expect(outcome.readings).toBe(1);
});

test('timers run on to the end of the time, though no reading comes', async () => {
  const outcome = await run(byMinute(70, 85), [{ for: '10m' }]);
  expect(outcome.tallies[0]!.episodes.map(({ firedAt }) => (firedAt! - T0) / MINUTE)).toEqual([11]);
});

test('two rules over the same readings: what both tell of, and what only one of them does', async () => {
  const outcome = await run(byMinute(70, 85, 70, 95, 95, 70, 78, 70), [{}, { above: 90, clear: undefined }]);
  const { both, onlyOld, onlyNew } = compareTallies(outcome.tallies[0]!, outcome.tallies[1]!, T0 + 60 * MINUTE);
  const begins = (episodes: { startedAt: number }[]) => episodes.map(({ startedAt }) => (startedAt - T0) / MINUTE);
  expect([begins(both.old), begins(both.new), begins(onlyOld), begins(onlyNew)]).toEqual([[3], [3], [1], []]);
});

test('one that is ended before its time tells of the time until then', async () => {
  const ended = new AbortController();
  async function* endless() {
    for (let i = 0; ; i++) {
      if (i === 3) ended.abort();
      yield columnsOf([reading(T0 + i * MINUTE, 85)]);
    }
  }
  const parsed = ruleSchema.parse({ name: 'hot', metric: 'temperature', above: 80 });
  const rule = { built: { bundle: { weir: 1, kind: 'rule', rule: parsed } as const, hash: '' }, configOf: () => ({}) };
  const options = { sandbox, from: T0, to: T0 + 60 * MINUTE, columns: 40, group: 'g', onProgress: () => {} };
  const outcome = await backtest([rule], [{ device: 'gw1', parts: endless() }], { ...options, signal: ended.signal });
  expect(outcome.stoppedAt).toBe(T0 + 3 * MINUTE);
  expect(spans(outcome)).toEqual([[0, undefined]]);
});
