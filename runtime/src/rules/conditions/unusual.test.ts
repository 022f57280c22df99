import type { Condition, Signal } from '@weir/protocols';
import { expect, test } from 'vitest';
import { createEvaluator, type Evaluator, type EvaluatorContext, type Judgement } from './condition.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const START = Date.parse('2026-01-05T00:00:00Z');
const context: EvaluatorContext = { config: {}, by: 'device', subject: { device: 'gw1' } };

function unusual(signal: Partial<Signal> = {}): Condition {
  return {
    kind: 'adaptive',
    signal: { sensor: 'oven*', metric: 'temperature', measure: { kind: 'last' }, ...signal },
    adaptive: { direction: 'both', sensitivity: 'medium', learnMs: 3 * DAY_MS, seasons: ['day'] },
  };
}

/** Some degrees around, by the time of the day. */
const around = (level: number, at: number) =>
  level + Math.sin((2 * Math.PI * at) / DAY_MS) + ((at / MINUTE_MS) % 7) / 7;

function feed(evaluator: Evaluator, days: [number, number], values: Record<string, (at: number) => number>): Judgement {
  for (let at = START + days[0] * DAY_MS; at < START + days[1] * DAY_MS; at += 10 * MINUTE_MS) {
    for (const [sensor, value] of Object.entries(values)) {
      evaluator.take({ device: 'gw1', sensor, metric: 'temperature', unit: 'Cel', ts: at, value: value(at) });
    }
  }
  return evaluator.judge(START + days[1] * DAY_MS);
}

const two = { oven1: (at: number) => around(80, at), oven2: (at: number) => around(200, at) };

test('each series has a baseline of its own, and the worst is told with its bound and its reading', () => {
  const evaluator = createEvaluator(unusual(), context);
  expect(feed(evaluator, [0, 2], two).verdict).toBeUndefined();
  expect(feed(evaluator, [2, 6], two).verdict).toBe(false);
  // What is usual for one is unusual for the other.
  const found = feed(evaluator, [6, 6.1], { ...two, oven2: (at) => around(80, at) });
  expect(found).toMatchObject({ verdict: true, causes: [{ device: 'gw1', sensor: 'oven2', metric: 'temperature' }] });
  expect(found.value!).toBeLessThan(found.level!);
  expect(found.level!).toBeLessThan(200);
});

test('a reading in a unit of another kind is not compared with what is usual', () => {
  const evaluator = createEvaluator(unusual({ sensor: 'oven1', unit: 'Cel' }), context);
  feed(evaluator, [0, 6], { oven1: two.oven1 });
  const ts = START + 6 * DAY_MS;
  evaluator.take({ device: 'gw1', sensor: 'oven1', metric: 'temperature', unit: 'kPa', ts, value: 80 });
  const { verdict, problem } = evaluator.judge(ts);
  expect(verdict).toBeUndefined();
  expect(problem).toContain('kPa');
});

test('semantics 6, unknown: what says nothing is no anomaly, and teaches nothing', () => {
  const evaluator = createEvaluator(unusual({ sensor: 'oven1' }), context);
  feed(evaluator, [0, 6], { oven1: two.oven1 });
  const before = JSON.stringify(evaluator.state);
  const ts = START + 6 * DAY_MS;
  evaluator.take({ device: 'gw1', sensor: 'oven1', metric: 'temperature', ts, value: 1e6, quality: 'bad' });
  expect(evaluator.judge(ts)).toMatchObject({ verdict: undefined });
  evaluator.take({
    device: 'gw1',
    sensor: 'oven1',
    metric: 'temperature',
    unit: 'Cel',
    ts: ts + 1,
    value: around(80, ts),
  });
  expect(evaluator.judge(ts + 1).verdict).toBe(false);
  expect(JSON.stringify(evaluator.state).length).toBeLessThan(before.length + 500);
});

test('a mean over all, or over a window, has one as well', () => {
  const mean = unusual({ across: 'mean', measure: { kind: 'avg', window: { ms: 30 * MINUTE_MS, mode: 'sliding' } } });
  const evaluator = createEvaluator(mean, context);
  expect(feed(evaluator, [0, 6], two).verdict).toBe(false);
  expect(feed(evaluator, [6, 6.1], { ...two, oven2: (at) => around(80, at) }).verdict).toBe(true);
});

test('of windows that follow one another each is learned from once', () => {
  const window = { ms: 60 * MINUTE_MS, mode: 'tumbling' } as const;
  const evaluator = createEvaluator(unusual({ sensor: 'oven1', measure: { kind: 'avg', window } }), context);
  const hour = 1 / 24;
  expect(feed(evaluator, [0, 6], { oven1: two.oven1 }).verdict).toBe(false);
  const learnedOf = () =>
    JSON.stringify(evaluator.state)
      .split('floats')[0]!
      .match(/"scalars":.*/)![0];
  feed(evaluator, [6, 6 + hour / 6], { oven1: two.oven1 });
  const learned = learnedOf();
  feed(evaluator, [6 + hour / 6, 6 + hour], { oven1: () => 500 });
  expect(learnedOf()).toBe(learned);
  expect(feed(evaluator, [6 + hour, 6 + 3 * hour], { oven1: () => 500 }).verdict).toBe(true);
});

test('begun again with its state it goes on as the same', () => {
  const whole = createEvaluator(unusual(), context);
  feed(whole, [0, 6], two);
  const restored = createEvaluator(unusual(), context, JSON.parse(JSON.stringify(whole.state)));
  const odd = { oven1: (at: number) => around(95, at), oven2: two.oven2 };
  expect(restored.judge(START + 6 * DAY_MS)).toEqual(whole.judge(START + 6 * DAY_MS));
  expect(feed(restored, [6, 7], odd)).toEqual(feed(whole, [6, 7], odd));
  expect(restored.state).toEqual(whole.state);
});

test('another sensitivity or direction goes on with what was learned', () => {
  const first = unusual({ sensor: 'oven1' });
  const evaluator = createEvaluator(first, context);
  feed(evaluator, [0, 6], { oven1: two.oven1 });
  if (first.kind !== 'adaptive') throw new Error('it is');
  const adaptive = { ...first.adaptive, sensitivity: 'high', direction: 'above' } as const;
  const changed = createEvaluator({ ...first, adaptive }, context, JSON.parse(JSON.stringify(evaluator.state)));
  expect(feed(changed, [6, 6.1], { oven1: (at) => around(95, at) }).verdict).toBe(true);
  const other = createEvaluator({ ...first, adaptive: { ...adaptive, seasons: [] } }, context, evaluator.state);
  expect(feed(other, [6, 6.1], { oven1: (at) => around(95, at) }).verdict).toBeUndefined();
});
