import type { Condition, JsonObject, Measure, Value } from '@weir/protocols';
import { describe, expect, test } from 'vitest';
import { createEvaluator, type EvaluatorContext, type Sample } from './condition.ts';

const T0 = 1_700_000_040_000;
const signal = (measure: Measure = { kind: 'last' }, sensor = '*') => ({ sensor, metric: 'temperature', measure });
const context: EvaluatorContext = { config: {}, by: 'series', subject: { sensor: 'oven1', metric: 'temperature' } };

type Given = [second: number, value: Value, more?: Partial<Sample>];

function sampleOf([second, value, more]: Given): Sample {
  return { device: 'gw1', sensor: 'oven1', metric: 'temperature', ts: T0 + second * 1_000, value, ...more };
}

/** The verdict after each sample; each is judged by an evaluator that was restored from the state of the one before. */
function verdicts(condition: Condition, samples: Given[], more: Partial<EvaluatorContext> = {}): string {
  const whole = { ...context, ...more };
  let evaluator = createEvaluator(condition, whole);
  return samples
    .map((given) => {
      const sample = sampleOf(given);
      evaluator.take(sample);
      const { verdict } = evaluator.judge(sample.ts);
      evaluator = createEvaluator(condition, whole, JSON.parse(JSON.stringify(evaluator.state)));
      return verdict === undefined ? '?' : verdict ? 'T' : 'f';
    })
    .join('');
}

describe('comparisons', () => {
  const check = (title: string, condition: Condition, samples: Given[], expected: string, config: JsonObject = {}) =>
    test(title, () => expect(verdicts(condition, samples, { config })).toBe(expected));

  const at = (...values: Value[]): Given[] => values.map((value, second) => [second, value]);
  const level = (
    kind: 'above' | 'at-least' | 'below' | 'at-most' | 'equals' | 'not-equals',
    value: Value,
  ): Condition => {
    return { kind, signal: signal(), level: value };
  };
  check('above: beyond, not at', level('above', 80), at(80, 80.1, 79), 'fTf');
  check('at least', level('at-least', 80), at(80, 79.9), 'Tf');
  check('below', level('below', 2), at(2, 1.9), 'fT');
  check('at most', level('at-most', 2), at(2, 2.1), 'Tf');
  check('equals a number, a text, a switch', level('equals', 3), at(3, 4), 'Tf');
  check('equals a text', level('equals', 'open'), at('open', 'shut', 1), 'Tf?');
  check('equals a switch', level('equals', true), at(true, false, 1), 'TfT');
  check('not equal', level('not-equals', 'ok'), at('ok', 'jam', 5), 'fT?');
  check('a switch counts as 0 or 1', level('above', 0.5), at(true, false), 'Tf');
  check('outside', { kind: 'outside', signal: signal(), levels: [2, 8] }, at(2, 8, 1.9, 8.1), 'ffTT');
  check('inside, ends and all', { kind: 'inside', signal: signal(), levels: [2, 8] }, at(2, 8, 1.9, 8.1), 'TTff');
  const tagged: Condition = { kind: 'above', signal: signal(), level: { tag: 'max-temp', default: 80 } };
  check('a level from a tag, which is a text', tagged, at(71, 69), 'Tf', { 'max-temp': '70' });
  check('the default where there is no tag', tagged, at(81, 71), 'Tf');
  check('no level at all', { ...tagged, level: { tag: 'max-temp' } }, at(500), '?');
});

describe('semantics 6, edge cases of unknown: what is not there is no crossing', () => {
  const below: Condition = { kind: 'below', signal: signal(), level: 5 };
  test('a text where a number is wanted, a bad reading, and coming back from it', () => {
    const samples: Given[] = [
      [0, 9],
      [1, 'unavailable'],
      [2, 9],
      [3, 0, { quality: 'bad' }],
      [4, 0, { quality: 'uncertain' }],
    ];
    expect(verdicts(below, samples)).toBe('f?f?T');
    expect(verdicts({ ...below, kind: 'not-equals' }, samples)).toBe('T?T?T');
  });

  test('a problem is told by name', () => {
    const evaluator = createEvaluator({ ...below, level: { tag: 'low' } }, context);
    evaluator.take(sampleOf([0, 1]));
    expect(evaluator.judge(T0)).toMatchObject({
      verdict: undefined,
      problem: 'no level: there is no tag low, and no default',
    });
  });
});

test('readings in another unit are converted, those in none are taken as they are, those of another kind are none', () => {
  const over: Condition = { kind: 'above', signal: { ...signal(), unit: 'Cel' }, level: 70 };
  const samples: Given[] = [
    [0, 71, { unit: 'Cel' }],
    [1, 71],
    [2, 158, { unit: '[degF]' }],
    [3, 159, { unit: '[degF]' }],
    [4, 300, { unit: 'bar' }],
  ];
  expect(verdicts(over, samples)).toBe('TTfT?');
  const evaluator = createEvaluator(over, context);
  evaluator.take(sampleOf(samples[4]!));
  expect(evaluator.judge(T0 + 4_000).problem).toBe('a reading in bar cannot be compared with what is given in Cel');
});

describe('several signals', () => {
  const part = (sensor: string): Condition => ({ kind: 'above', signal: signal(undefined, sensor), level: 10 });
  const of = (atLeast: number): Condition => ({ kind: 'of', atLeast, conditions: [part('a'), part('b'), part('c')] });
  const from = (sensor: string, second: number, value: Value): Given => [second, value, { sensor }];
  const subject = { by: 'device', subject: {} } as const;
  const samples = [from('a', 0, 11), from('b', 1, 9), from('c', 2, 11), from('c', 3, 'off'), from('b', 4, 11)];

  test('so many of them: what is unknown might, or might not', () => {
    expect(verdicts(of(1), samples, subject)).toBe('TTTTT');
    expect(verdicts(of(2), samples, subject)).toBe('??T?T');
    expect(verdicts(of(3), samples, subject)).toBe('?fff?');
  });

  test('a signal with * in its name: of `when` one series is enough, of `clear` all are wanted', () => {
    const hot: Condition = { kind: 'above', signal: signal(), level: 10 };
    const cool: Condition = { kind: 'below', signal: signal(), level: 10 };
    expect(verdicts(hot, samples.slice(0, 3), subject)).toBe('TTT');
    const clearing = [from('a', 0, 11), from('b', 1, 9), from('a', 2, 8)];
    expect(verdicts(cool, clearing, { ...subject, role: 'clear' })).toBe('ffT');
  });

  test('k of n series, and a share of those that are known', () => {
    const each = (atLeast: number | { share: number }): Condition => ({
      kind: 'series',
      atLeast,
      condition: { kind: 'above', signal: signal(), level: 10 },
    });
    expect(verdicts(each(2), samples, subject)).toBe('ffT?T');
    expect(verdicts(each({ share: 0.6 }), samples, subject)).toBe('TfTfT');
  });

  test('of a group: of devices, each with all its sensors', () => {
    const each: Condition = {
      kind: 'series',
      atLeast: 2,
      condition: { kind: 'of', atLeast: 2, conditions: [part('a'), part('b')] },
    };
    const of = (device: string, sensor: string, second: number, value: number): Given => [
      second,
      value,
      { device, sensor },
    ];
    const given = [
      of('g1', 'a', 0, 11),
      of('g1', 'b', 1, 11),
      of('g2', 'a', 2, 11),
      of('g2', 'b', 3, 9),
      of('g2', 'b', 4, 11),
    ];
    expect(verdicts(each, given, { by: 'group', subject: {} })).toBe('ff?fT');
  });

  test('the mean of a group', () => {
    const mean: Condition = { kind: 'above', signal: { ...signal(), across: 'mean' }, level: 10 };
    const of = (device: string, second: number, value: Value): Given => [second, value, { device }];
    const given = [of('g1', 0, 12), of('g2', 1, 7), of('g3', 2, 14), of('g2', 3, 'off')];
    expect(verdicts(mean, given, { by: 'group', subject: {} })).toBe('TfTT');
  });

  test('a level from another signal: of the same sensor where it is open, of the one that is named for all', () => {
    const over = (sensor: string): Condition => ({
      kind: 'above',
      signal: signal(),
      level: { signal: { sensor, metric: 'setpoint', measure: { kind: 'last' } }, times: 1.1, plus: 1 },
    });
    const given: Given[] = [
      [0, 55],
      [1, 50, { metric: 'setpoint' }],
      [2, 57],
      [3, 70, { sensor: 'hall', metric: 'setpoint' }],
      [4, 57.5],
    ];
    expect(verdicts(over('*'), given)).toBe('?fTTT');
    expect(verdicts(over('hall'), given)).toBe('???ff');
  });
});

describe('repetition', () => {
  const hot: Condition = { kind: 'above', signal: signal(), level: 10 };
  const samples: Given[] = [
    [0, 11],
    [1, 9],
    [2, 11],
    [2, 11],
    [3, 11],
    [4, 9],
    [5, 9],
    [6, 9],
  ];

  test('semantics 7, repeat counts: N of the last M samples; what comes twice counts once', () => {
    expect(verdicts({ kind: 'repeated', times: 3, within: { samples: 4 }, condition: hot }, samples)).toBe('ffffTfff');
  });

  test('N times within a time, and its end by time alone', () => {
    const condition: Condition = { kind: 'repeated', times: 3, within: { ms: 4_000 }, condition: hot };
    expect(verdicts(condition, samples)).toBe('ffffTfff');
    const evaluator = createEvaluator(condition, context);
    for (const given of samples.slice(0, 5)) evaluator.take(sampleOf(given));
    expect(evaluator.judge(T0 + 3_000)).toMatchObject({ verdict: true, dueAt: T0 + 4_000 });
    expect(evaluator.judge(T0 + 4_000)).toMatchObject({ verdict: false });
  });

  test('of several series each is counted by itself', () => {
    const condition: Condition = { kind: 'repeated', times: 2, within: { samples: 3 }, condition: hot };
    const given: Given[] = [
      [0, 11, { sensor: 'a' }],
      [1, 11, { sensor: 'b' }],
      [2, 9, { sensor: 'a' }],
      [3, 11, { sensor: 'a' }],
    ];
    expect(verdicts(condition, given, { by: 'device', subject: {} })).toBe('fffT');
  });
});

describe('silence', () => {
  const silent: Condition = { kind: 'silent', signal: signal(), forMs: 60_000 };

  test('it falls due by itself, counted from the last reading', () => {
    const evaluator = createEvaluator(silent, context);
    evaluator.take(sampleOf([0, 1]));
    expect(evaluator.judge(T0)).toMatchObject({ verdict: false, dueAt: T0 + 60_000 });
    evaluator.take(sampleOf([30, 1]));
    expect(evaluator.judge(T0 + 60_000)).toMatchObject({ verdict: false, dueAt: T0 + 90_000 });
    expect(evaluator.judge(T0 + 90_000)).toMatchObject({ verdict: true, value: 1, causes: [{ ts: T0 + 30_000 }] });
  });

  test('a series that was never there is silent only where it is named', () => {
    const open = createEvaluator(silent, { ...context, by: 'device', subject: {} });
    open.judge(T0);
    expect(open.judge(T0 + 3_600_000).verdict).toBeUndefined();
    const named = createEvaluator(
      { ...silent, signal: signal(undefined, 'oven1') },
      { ...context, by: 'device', subject: {} },
    );
    expect(named.judge(T0).verdict).toBe(false);
    expect(named.judge(T0 + 60_000).verdict).toBe(true);
  });

  test('semantics 5, durable timers: that the host was down is no silence of a sensor', () => {
    const before = createEvaluator(silent, context);
    before.take(sampleOf([0, 1]));
    before.judge(T0);
    const after = createEvaluator(silent, context, before.state);
    expect(after.judge(T0 + 600_000)).toMatchObject({ verdict: false, dueAt: T0 + 660_000 });
    expect(after.judge(T0 + 660_000).verdict).toBe(true);
  });
});

test('a level that is set anew leaves a window as it was; another condition begins anew', () => {
  const average = (level: number, samples = 2): Condition => {
    return { kind: 'above', signal: signal({ kind: 'avg', window: { samples, mode: 'sliding' } }), level };
  };
  const evaluator = createEvaluator(average(10), context);
  evaluator.take(sampleOf([0, 10]));
  evaluator.take(sampleOf([1, 20]));
  expect(createEvaluator(average(14), context, evaluator.state).judge(T0 + 1_000)).toMatchObject({
    verdict: true,
    value: 15,
  });
  expect(createEvaluator(average(14, 3), context, evaluator.state).judge(T0 + 1_000).verdict).toBeUndefined();
});
