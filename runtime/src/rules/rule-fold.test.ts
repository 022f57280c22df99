import { type AlertTransition, columnsOf, type RuleInput, rulePlan, ruleSchema } from '@weir/protocols';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RuleOutput } from './episode/teller.ts';
import { RuleFold } from './rule-fold.ts';

const T0 = 1_700_000_000_000;

function foldOf(rule: Partial<RuleInput>, states: ReadonlyMap<string, string> = new Map()): RuleFold {
  const plan = rulePlan(ruleSchema.parse({ name: 'hot', metric: 'temperature', ...rule } as RuleInput));
  return new RuleFold({ device: 'gw1', plan, version: '1', config: {}, states, now: T0 });
}

/** What comes of it, as the owner of a host keeps it. */
function outOf(alerts: AlertTransition[]): RuleOutput {
  return { alerts, publishes: [], logs: [] };
}

function startedAt(fold: RuleFold): number | undefined {
  const states = [...fold.states].filter(([key]) => key !== 'hot').map(([, json]) => JSON.parse(json));
  return states[0].open?.startedAt;
}

/** Samples are [seconds, value]; answers `state@seconds` of each transition. */
function feed(fold: RuleFold, samples: [number, number][], sensor = 'oven1'): string[] {
  const alerts: AlertTransition[] = [];
  for (const [second, value] of samples) {
    const ts = T0 + second * 1000;
    fold.step(columnsOf([{ sensor, metric: 'temperature', value, ts }]), ts, outOf(alerts));
  }
  return alerts.map(({ state, ts }) => `${state}@${(ts - T0) / 1000}`);
}

describe('when an episode begins and ends', () => {
  const check = (title: string, rule: Partial<RuleInput>, samples: [number, number][], expected: string[]) =>
    test(title, () => expect(feed(foldOf(rule), samples)).toEqual(expected));

  check(
    'above fires beyond the level, not at it',
    { above: 80 },
    [
      [0, 80],
      [1, 80.1],
    ],
    ['firing@1'],
  );
  check(
    'without a clear level it ends at the level',
    { above: 80 },
    [
      [0, 81],
      [1, 80],
    ],
    ['firing@0', 'resolved@1'],
  );
  check(
    'a value between clear and level keeps it firing',
    { above: 80, clear: 75 },
    [
      [0, 81],
      [1, 77],
      [2, 75],
      [3, 74.9],
    ],
    ['firing@0', 'resolved@3'],
  );
  check(
    'noise around the level does not flap',
    { above: 80, clear: 75 },
    [
      [0, 80.5],
      [1, 79.5],
      [2, 80.5],
      [3, 79.5],
    ],
    ['firing@0'],
  );
  check(
    'below is the mirror image',
    { below: 2, clear: 4 },
    [
      [0, 1.9],
      [1, 3],
      [2, 4.1],
    ],
    ['firing@0', 'resolved@2'],
  );
  check(
    'outside fires on either side',
    { outside: [2, 8], clear: [3, 7] },
    [
      [0, 9],
      [1, 7.5],
      [2, 7],
      [3, 1],
    ],
    ['firing@0', 'resolved@2', 'firing@3'],
  );
  check(
    'a short crossing does not fire',
    { above: 80, for: '10s' },
    [
      [0, 81],
      [9, 79],
      [10, 81],
    ],
    [],
  );
  check(
    'a crossing held long enough fires at the end of `for`',
    { above: 80, for: '10s' },
    [
      [0, 81],
      [5, 82],
      [12, 83],
    ],
    ['firing@10'],
  );
  check(
    'what held until a late sample below the level is told, and ended',
    { above: 80, for: '10s' },
    [
      [0, 81],
      [60, 79],
    ],
    ['firing@10', 'resolved@60'],
  );
  check(
    'an older sample never ends a newer state',
    { above: 80 },
    [
      [10, 81],
      [5, 60],
    ],
    ['firing@10'],
  );
  check(
    'an older sample never begins one either',
    { above: 80 },
    [
      [10, 60],
      [5, 81],
    ],
    [],
  );
});

test('each series has its own episode', () => {
  const fold = foldOf({ sensor: 'oven*', above: 80 });
  expect(feed(fold, [[0, 81]], 'oven1')).toEqual(['firing@0']);
  expect(feed(fold, [[1, 81]], 'oven2')).toEqual(['firing@1']);
  expect(feed(fold, [[2, 81]], 'press1')).toEqual([]);
  expect(feed(fold, [[3, 20]], 'oven1')).toEqual(['resolved@3']);
});

test('a transition carries its number, cause, level text and the worst value', () => {
  const fold = foldOf({
    above: 80,
    severity: 'critical',
    summary: '{sensor} on {device}: {value} {unit}, over {level}',
  });
  const alerts: AlertTransition[] = [];
  for (const [i, value] of [81.5, 90, 70].entries()) {
    fold.step(columnsOf([{ sensor: 'oven1', metric: 'temperature', value, ts: T0 + i }]), T0, outOf(alerts));
  }
  expect(alerts).toMatchObject([
    {
      seq: 1,
      state: 'firing',
      reason: 'threshold',
      severity: 'critical',
      value: 81.5,
      summary: 'oven1 on gw1: 81.5, over 80',
    },
    {
      seq: 2,
      state: 'resolved',
      reason: 'cleared',
      value: 70,
      peak: 90,
      startedAt: T0,
      summary: 'oven1 temperature is back at 70, was above 80',
    },
  ]);
  expect(alerts[0]!.episode).toBe(alerts[1]!.episode);
});

describe('time without samples', () => {
  const fire = (fold: RuleFold, now: number) => {
    const alerts: AlertTransition[] = [];
    fold.tick(now, outOf(alerts));
    return alerts.map(({ state, ts }) => `${state}@${(ts - T0) / 1000}`);
  };

  test('a pending crossing fires by the clock though no sample comes', () => {
    const fold = foldOf({ above: 80, for: '10s' });
    feed(fold, [[0, 81]]);
    expect(fire(fold, T0 + 9_999)).toEqual([]);
    expect(fire(fold, T0 + 10_000)).toEqual(['firing@10']);
    expect(fire(fold, T0 + 20_000)).toEqual([]);
  });

  test('readings from the past are timed by their own clock: a replayed trace does not fire at once', () => {
    const fold = foldOf({ above: 80, for: '10s' });
    const year = 365 * 86_400_000;
    fold.step(columnsOf([{ sensor: 'oven1', metric: 'temperature', value: 81, ts: T0 }]), T0 + year, outOf([]));
    expect(fire(fold, T0 + year + 9_000)).toEqual([]);
    expect(fire(fold, T0 + year + 10_000)).toEqual(['firing@10']);
  });
});

describe('a sample from the future', () => {
  const sample = (fold: RuleFold, value: number, ts: number, receivedAt: number) => {
    const alerts: AlertTransition[] = [];
    fold.step(columnsOf([{ sensor: 'oven1', metric: 'temperature', value, ts }]), receivedAt, outOf(alerts));
    return alerts.map(({ state }) => state);
  };
  const FAR = 4_102_444_800_000;

  test('does not blind the rule to what comes after', () => {
    const fold = foldOf({ above: 80 });
    expect(sample(fold, 20, FAR, T0)).toEqual([]);
    expect(sample(fold, 95, T0 + 60_000, T0 + 60_000)).toEqual(['firing']);
  });

  test('does not keep its alert firing, and is dated by its arrival', () => {
    const fold = foldOf({ above: 80 });
    expect(sample(fold, 95, FAR, T0)).toEqual(['firing']);
    expect(startedAt(fold)).toBeLessThan(T0 + 60_000);
    expect(sample(fold, 20, T0 + 60_000, T0 + 60_000)).toEqual(['resolved']);
  });

  test('is taken as it is by a gateway whose own clock was never set', () => {
    const fold = foldOf({ above: 80 });
    expect(sample(fold, 95, T0, 5_000)).toEqual(['firing']);
    expect(startedAt(fold)).toBe(T0);
  });
});

describe('across a restart', () => {
  const restart = (fold: RuleFold, rule: Partial<RuleInput>) => foldOf(rule, fold.states);

  test('an open episode ends as the same episode', () => {
    const rule = { above: 80, clear: 75 };
    const before = foldOf(rule);
    feed(before, [[0, 81]]);
    expect(feed(restart(before, rule), [[1, 74]])).toEqual(['resolved@1']);
  });

  test('a pending crossing keeps its start', () => {
    const rule = { above: 80, for: '10s' };
    const before = foldOf(rule);
    feed(before, [[0, 81]]);
    expect(feed(restart(before, rule), [[11, 82]])).toEqual(['firing@10']);
  });

  test('a sample older than the last quiet one still changes nothing', () => {
    const rule = { above: 80 };
    const before = foldOf(rule);
    feed(before, [[5, 70]]);
    expect(feed(restart(before, rule), [[4, 90]])).toEqual([]);
  });

  test('a new version that no longer watches a series ends its episode', () => {
    const before = foldOf({ above: 80 });
    feed(before, [[0, 81]]);
    const alerts: AlertTransition[] = [];
    restart(before, { above: 80, sensor: 'press*' }).endUnwatched(outOf(alerts));
    expect(alerts).toMatchObject([{ state: 'resolved', reason: 'removed', seq: 2 }]);
  });
});

test('whatever the samples: firing and resolved alternate, numbers rise by one, cutting into batches and restarts change nothing', () => {
  const sample = fc.record({ dt: fc.integer({ min: -3, max: 20 }), value: fc.integer({ min: 60, max: 100 }) });
  fc.assert(
    fc.property(
      fc.array(sample, { maxLength: 60 }),
      fc.integer({ min: 1, max: 10 }),
      fc.constantFrom(0, 5),
      (steps, cut, held) => {
        let ts = T0;
        const readings = steps.map(({ dt, value }) => {
          ts += dt * 1000;
          return { sensor: 'o', metric: 'temperature', value, ts };
        });
        const run = (size: number) => {
          const rule = { above: 80, clear: 75, for: held * 1000 };
          let fold = foldOf(rule);
          const alerts: AlertTransition[] = [];
          for (let at = 0; at < readings.length; at += size) {
            fold.step(columnsOf(readings.slice(at, at + size)), T0, outOf(alerts));
            if (size > 1) fold = foldOf(rule, fold.states);
          }
          return alerts;
        };
        const alerts = run(1);
        expect(run(cut)).toEqual(alerts);
        alerts.forEach(({ state, seq }, at) => {
          expect(state).toBe(at % 2 === 0 ? 'firing' : 'resolved');
          expect(seq).toBe((at % 2) + 1);
        });
      },
    ),
  );
});
