import { describe, expect, test } from 'vitest';
import { type RuleInput, ruleSchema } from './rule.ts';
import { rulePlan, signalsOf, tagsOf } from './rule-plan.ts';

const MINUTE_MS = 60_000;
const planOf = (rule: Partial<RuleInput>) => rulePlan(ruleSchema.parse({ name: 'r', metric: 't', ...rule }));
const whenOf = (rule: Partial<RuleInput>) => planOf(rule).ladder.at(-1)!.when;
const t = { sensor: '*', metric: 't', measure: { kind: 'last' } };

test('what a rule does not say: any sensor, each series, at once, a warning, no pause', () => {
  expect(planOf({ above: 80 })).toEqual({
    name: 'r',
    labels: {},
    by: 'series',
    watches: { sensor: '*', metric: 't' },
    ladder: [{ severity: 'warning', when: { kind: 'above', signal: t, level: 80 } }],
    forMs: 0,
    exit: { keepFiringForMs: 0, samples: 1, latch: false, manual: false },
    schedule: [],
    maintenance: [],
    latenessMs: 0,
    openMax: 100,
    dryRun: false,
  });
});

describe('a comparison, and its clear level', () => {
  const check = (rule: Partial<RuleInput>, when: object, clear?: object) =>
    test(JSON.stringify(rule), () => {
      const [rung] = planOf(rule).ladder;
      expect(rung!.when).toEqual({ signal: t, ...when });
      expect(rung!.clear).toEqual(clear && { signal: t, ...clear });
    });

  check({ above: 80, clear: 75 }, { kind: 'above', level: 80 }, { kind: 'below', level: 75 });
  check({ atLeast: 80, clear: 80 }, { kind: 'at-least', level: 80 }, { kind: 'below', level: 80 });
  check({ below: 2, clear: 4 }, { kind: 'below', level: 2 }, { kind: 'above', level: 4 });
  check({ atMost: 2 }, { kind: 'at-most', level: 2 });
  check({ outside: [2, 8], clear: [3, 7] }, { kind: 'outside', levels: [2, 8] }, { kind: 'inside', levels: [3, 7] });
  check({ inside: [2, 8], clear: [1, 9] }, { kind: 'inside', levels: [2, 8] }, { kind: 'outside', levels: [1, 9] });
  check({ equals: 'open' }, { kind: 'equals', level: 'open' });
  check({ notEquals: true }, { kind: 'not-equals', level: true });
  check({ silentFor: '10m' }, { kind: 'silent', forMs: 10 * MINUTE_MS });
  check(
    { adaptive: true },
    {
      kind: 'adaptive',
      adaptive: { direction: 'both', sensitivity: 'medium', learnMs: 3 * 1440 * MINUTE_MS, seasons: ['day', 'week'] },
    },
  );
  check(
    { above: { tag: 'max', default: 80 }, clear: { tag: 'ok' } },
    { kind: 'above', level: { tag: 'max', default: 80 } },
    { kind: 'below', level: { tag: 'ok' } },
  );
  check(
    { above: { metric: 'setpoint', plus: 5 } },
    { kind: 'above', level: { signal: { ...t, metric: 'setpoint' }, times: 1, plus: 5 } },
  );
});

describe('what is measured', () => {
  const check = (value: RuleInput['value'], measure: object) =>
    test(JSON.stringify(value), () => {
      expect(whenOf({ value, above: 1 })).toMatchObject({ signal: { measure } });
    });
  const fiveMinutes = { ms: 5 * MINUTE_MS, mode: 'sliding' };

  check('last', { kind: 'last' });
  check({ avg: '5m' }, { kind: 'avg', window: fiveMinutes });
  check({ sum: '10 samples' }, { kind: 'sum', window: { samples: 10, mode: 'sliding' } });
  check({ max: { over: '5m', tumbling: true } }, { kind: 'max', window: { ...fiveMinutes, mode: 'tumbling' } });
  check({ median: '5m' }, { kind: 'quantile', q: 0.5, window: fiveMinutes });
  check({ 'p99.9': '5m' }, { kind: 'quantile', q: 0.999, window: fiveMinutes });
  check({ changePercent: '5m' }, { kind: 'change-percent', window: fiveMinutes });
  check({ rate: '5m', per: '1h' }, { kind: 'rate', window: fiveMinutes, perMs: 60 * MINUTE_MS });
  check({ rate: '5m' }, { kind: 'rate', window: fiveMinutes, perMs: MINUTE_MS });
});

test('a change, by amount either way or by a share in one', () => {
  const window = { ms: 10 * MINUTE_MS, mode: 'sliding' };
  const change = { ...t, measure: { kind: 'change', window } };
  expect(whenOf({ changesBy: { amount: 5, within: '10m' } })).toEqual({
    kind: 'of',
    atLeast: 1,
    conditions: [
      { kind: 'at-least', signal: change, level: 5 },
      { kind: 'at-most', signal: change, level: -5 },
    ],
  });
  expect(whenOf({ changesBy: { amount: '20%', within: '10m', direction: 'down' } })).toEqual({
    kind: 'at-most',
    signal: { ...t, measure: { kind: 'change-percent', window } },
    level: -20,
  });
});

test('a ladder goes from the least severity up, however it was written', () => {
  const { ladder } = planOf({
    severities: { critical: { above: 80 }, info: { above: 60 }, warning: { above: 70, clear: 65 } },
  });
  expect(ladder.map(({ severity }) => severity)).toEqual(['info', 'warning', 'critical']);
  expect(ladder[1]).toMatchObject({ when: { level: 70 }, clear: { kind: 'below', level: 65 } });
});

test('a tree: and, or, some of several; parts are of the rule’s own signal unless they name another', () => {
  const when = {
    any: [
      { all: [{ above: 80 }, { metric: 'p', below: 2 }] },
      { atLeast: 2, of: [{ above: 70 }, { above: 60 }, { above: 50 }] },
    ],
  };
  expect(whenOf({ unit: 'Cel', sensor: 'oven*', when })).toMatchObject({
    kind: 'of',
    atLeast: 1,
    conditions: [
      {
        kind: 'of',
        atLeast: 2,
        conditions: [
          { kind: 'above', signal: { sensor: 'oven*', metric: 't', unit: 'Cel' } },
          { kind: 'below', signal: { sensor: 'oven*', metric: 'p' } },
        ],
      },
      { kind: 'of', atLeast: 2, conditions: [{ level: 70 }, { level: 60 }, { level: 50 }] },
    ],
  });
});

test('counted: samples, times within a time, in a row, in so many series or a share of them', () => {
  expect(whenOf({ above: 1, matches: { times: 3, of: 5 } })).toMatchObject({
    kind: 'repeated',
    times: 3,
    within: { samples: 5 },
  });
  expect(whenOf({ above: 1, matches: { times: 3, within: '10m' } })).toMatchObject({ within: { ms: 10 * MINUTE_MS } });
  expect(whenOf({ above: 1, matches: { times: 3 } })).toMatchObject({ times: 3, within: { samples: 3 } });
  expect(whenOf({ above: 1, inAtLeast: 2 })).toMatchObject({
    kind: 'series',
    atLeast: 2,
    condition: { kind: 'above' },
  });
  expect(whenOf({ above: 1, inAtLeast: '50%', matches: { times: 2 } })).toMatchObject({
    kind: 'series',
    atLeast: { share: 0.5 },
    condition: { kind: 'repeated' },
  });
});

describe('whose episodes they are where nobody says it', () => {
  const check = (rule: Partial<RuleInput>, by: string, watches: object) =>
    test(JSON.stringify(rule), () => expect(planOf(rule)).toMatchObject({ by, watches }));
  const leaves = (...of: object[]) => ({ metric: undefined, when: { all: of as never } });

  check({ above: 1 }, 'series', { sensor: '*', metric: 't' });
  check({ above: 1, across: 'mean' }, 'device', { metric: 't' });
  check({ above: 1, inAtLeast: 2 }, 'device', { metric: 't' });
  check({ when: { all: [{ above: 1 }, { value: { avg: '1m' }, above: 2 }] } }, 'series', { metric: 't' });
  check(leaves({ sensor: 'oven*', metric: 'a', above: 1 }, { sensor: 'oven*', metric: 'b', above: 1 }), 'sensor', {
    sensor: 'oven*',
    metric: '*',
  });
  check(leaves({ metric: 'a', above: 1 }, { metric: 'b', above: 1 }), 'device', { sensor: '*', metric: '*' });
  check({ by: 'group', above: 1 }, 'group', { metric: 't' });
});

test('what it looks at and which tags it names, each once', () => {
  const plan = planOf({
    unit: 'Cel',
    severities: {
      warning: { above: { tag: 'max' } },
      critical: { above: { metric: 'setpoint' }, clear: { tag: 'max' } },
    },
  });
  expect(signalsOf(plan).map(({ metric, unit }) => [metric, unit])).toEqual([
    ['t', 'Cel'],
    ['setpoint', 'Cel'],
  ]);
  expect(tagsOf(plan)).toEqual(['max']);
});
