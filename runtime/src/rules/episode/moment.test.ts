import { type AlertTransition, columnsOf, type Reading, type RuleInput, rulePlan, ruleSchema } from '@weir/protocols';
import { expect, test } from 'vitest';
import { RuleFold } from '../rule-fold.ts';

const T0 = 1_700_000_000_000;

type Row = [second: number, series: string, value: number];

/** Each list of rows comes at once; answers `state@seconds` of each transition. */
function told(rule: Partial<RuleInput>, arrivals: Row[][]): string[] {
  const plan = rulePlan(ruleSchema.parse({ name: 'r', ...rule } as RuleInput));
  const fold = new RuleFold({ device: 'gw1', plan, version: '1', config: {}, states: new Map(), now: T0 });
  const alerts: AlertTransition[] = [];
  const out = { alerts, publishes: [], logs: [] };
  for (const rows of arrivals) {
    const readings = rows.map(([second, series, value]): Reading => {
      const [sensor = '', metric = ''] = series.split('/');
      return { sensor, metric, value, ts: T0 + second * 1_000 };
    });
    const now = Math.max(...readings.map(({ ts }) => ts));
    fold.step(columnsOf(readings), now, out);
    fold.tick(now, out);
  }
  return alerts.map(({ state, ts }) => `${state}@${(ts - T0) / 1_000}`);
}

/** A recipe goes from 200 to 250 degrees, and the sensor says both in one message. */
const RECIPE: Row[][] = [
  [
    [0, 'oven1/temperature', 202],
    [0, 'oven1/setpoint', 200],
  ],
  [
    [10, 'oven1/temperature', 252],
    [10, 'oven1/setpoint', 250],
  ],
  [
    [20, 'oven1/temperature', 258],
    [20, 'oven1/setpoint', 250],
  ],
];

test('a value is judged by the level that came with it, in whatever order the message names them', () => {
  const rule: Partial<RuleInput> = { sensor: 'oven*', metric: 'temperature', above: { metric: 'setpoint', plus: 5 } };
  expect(told(rule, RECIPE)).toEqual(['firing@20']);
  expect(
    told(
      rule,
      RECIPE.map((rows) => [...rows].reverse()),
    ),
  ).toEqual(['firing@20']);
});

test('a level that all share is as of the same moment', () => {
  const rule: Partial<RuleInput> = {
    sensor: 'zone1',
    metric: 'temperature',
    above: { sensor: 'ref', metric: 'temperature', plus: 2 },
  };
  const arrivals: Row[][] = [
    [
      [0, 'zone1/temperature', 10],
      [0, 'ref/temperature', 10],
    ],
    [
      [1, 'zone1/temperature', 20],
      [1, 'ref/temperature', 20],
    ],
    [
      [2, 'ref/temperature', 10],
      [2, 'zone1/temperature', 10],
    ],
  ];
  expect(told(rule, arrivals)).toEqual([]);
});

test('what is together of several signals at one moment is together, and what crosses in between is none', () => {
  const rule: Partial<RuleInput> = {
    by: 'device',
    when: {
      all: [
        { sensor: 'a', metric: 'm', above: 10 },
        { sensor: 'b', metric: 'm', above: 10 },
      ],
    },
  };
  const swap: Row[][] = [
    [
      [0, 'a/m', 20],
      [0, 'b/m', 0],
    ],
    [
      [1, 'b/m', 20],
      [1, 'a/m', 0],
    ],
  ];
  expect(told(rule, swap)).toEqual([]);
  expect(told(rule, [[...swap[0]!, [1, 'b/m', 20]]])).toEqual(['firing@1']);
});

test('a mean over series is that of their moment', () => {
  const rule: Partial<RuleInput> = { sensor: 'c*', metric: 'm', across: 'mean', by: 'device', above: 20 };
  const arrivals: Row[][] = [
    [
      [0, 'c1/m', 19],
      [0, 'c2/m', 19],
    ],
    [
      [1, 'c1/m', 25],
      [1, 'c2/m', 14],
    ],
  ];
  expect(told(rule, arrivals)).toEqual([]);
});

test('with lateness also what came in several messages is judged together', () => {
  const rule: Partial<RuleInput> = { sensor: 'oven*', metric: 'temperature', above: { metric: 'setpoint', plus: 5 } };
  const apart = [...RECIPE, [[30, 'oven1/setpoint', 250] as Row]].flatMap((rows) => rows.map((row) => [row]));
  expect(told({ ...rule, lateness: '2s' }, apart)).toEqual(['firing@20']);
});

test('two values of one series at one moment are two', () => {
  const rows: Row[] = [
    [0, 'a/m', 20],
    [0, 'a/m', 5],
  ];
  const rule: Partial<RuleInput> = { metric: 'm', above: 10 };
  expect(told(rule, [rows])).toEqual(['firing@0', 'resolved@0']);
  expect(
    told(
      rule,
      rows.map((row) => [row]),
    ),
  ).toEqual(['firing@0', 'resolved@0']);
});

test('also with lateness, and with another series between the two', () => {
  const rows: Row[] = [
    [0, 'a/m', 20],
    [0, 'b/m', 0],
    [0, 'a/m', 5],
    [5, 'b/m', 0],
  ];
  const rule: Partial<RuleInput> = {
    by: 'device',
    when: { all: [{ sensor: '*', metric: 'm', above: 10 }] },
    lateness: '2s',
  };
  expect(told(rule, [rows])).toEqual(['firing@0', 'resolved@0']);
});

test('what a value and its level say at one moment is one of the readings that are counted', () => {
  const rule: Partial<RuleInput> = {
    sensor: 'oven*',
    metric: 'temperature',
    above: { metric: 'setpoint', plus: 5 },
    matches: { times: 2, of: 3 },
  };
  const hot = (second: number, value: number): Row[] => [
    [second, 'oven1/temperature', value],
    [second, 'oven1/setpoint', 200],
  ];
  expect(told(rule, [hot(0, 210), hot(1, 202), hot(2, 210)])).toEqual(['firing@2']);
  // Beside the setpoint of before neither was too hot, nor was it not.
  const apart = [hot(0, 210), hot(1, 202), hot(2, 210), hot(5, 202)].flatMap((rows) => rows.map((row) => [row]));
  expect(told({ ...rule, lateness: '2s' }, apart)).toEqual(['firing@2']);
});

test('what others said before the first reading of a series is known, and nothing of it has begun by then', () => {
  const rule: Partial<RuleInput> = {
    by: 'sensor',
    severities: {
      warning: {
        when: {
          any: [
            { sensor: 'a*', metric: 'm', value: { count: '9s' }, below: 3 },
            { sensor: 'b', metric: 'm', above: 100 },
          ],
        },
      },
    },
    for: '10s',
  };
  const start: Row[] = [
    [0, 'b/m', 0],
    [3, 'a1/m', 0],
  ];
  const rows: Row[][] = [[[13, 'b/m', 0]], [[16, 'b/m', 0]], [[20, 'b/m', 0]]];
  const fired = told(rule, [...start.map((row) => [row]), ...rows]);
  expect(told({ ...rule, lateness: '2s' }, [start, ...rows])).toEqual(fired);
});
