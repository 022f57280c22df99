import { columnsOf, type Reading, type RuleInput, ruleSchema } from '@weir/protocols';
import { describe, expect, test } from 'vitest';
import type { FunctionSandbox } from '../sandbox/sandbox.ts';
import { inArrival } from './arrival.ts';
import { type RunAgain, runAgain } from './explain.ts';
import { comparedAgain } from './step-log.ts';

const T0 = 1_700_000_000_000;
const sandbox: FunctionSandbox = {
  load: async () => ({ kind: 'crashed', message: 'none' }),
  step: async () => ({ kind: 'crashed', message: 'none' }),
  drop: () => {},
};

function again(
  rule: Partial<RuleInput>,
  samples: [second: number, value: number][],
  untilSecond: number,
  fromSecond = -1,
): Promise<RunAgain> {
  const parsed = ruleSchema.parse({ name: 'hot', metric: 'temperature', above: 80, clear: 75, ...rule });
  const readings = samples.map(([second, value]): Reading => {
    return { sensor: 'o', metric: 'temperature', value, ts: T0 + second * 1_000 };
  });
  const arrivals = inArrival([{ lane: 'live', epoch: 'e', seq: 0, columns: columnsOf(readings) }]);
  const options = {
    sandbox,
    device: 'gw1',
    config: {},
    from: T0 + fromSecond * 1_000,
    until: T0 + untilSecond * 1_000,
  };
  const built = { bundle: { weir: 1, kind: 'rule', rule: parsed } as const, hash: 'a'.repeat(64) };
  return runAgain(built, [{ device: 'gw1', arrivals }], options);
}

const words = ({ logs }: RunAgain) =>
  (logs.get('o/temperature')?.steps ?? []).map(
    ({ ts, phase, rungs }) => `${(ts - T0) / 1_000} ${phase} ${rungs[0]!.verdict}`,
  );

test('field pain 15, unexplained: steps are those at which something changed, with what was judged', async () => {
  const run = await again(
    { for: '10s' },
    [
      [0, 70],
      [1, 71],
      [5, 85],
      [8, 86],
      [30, 60],
    ],
    40,
  );
  expect(words(run)).toEqual(['0 quiet false', '5 pending true', '15 firing true', '30 quiet false']);
  expect(run.logs.get('o/temperature')!.steps[1]).toMatchObject({
    dueAt: T0 + 15_000,
    rungs: [{ value: 85, level: 80 }],
  });
});

test('what was before the time is only where it begins', async () => {
  const run = await again(
    {},
    [
      [0, 85],
      [20, 86],
      [30, 60],
    ],
    40,
    10,
  );
  expect(words(run)).toEqual(['20 firing true', '30 quiet false']);
});

test('as it is now: pending, and when it will fire', async () => {
  const run = await again(
    { for: '1m' },
    [
      [0, 70],
      [10, 85],
    ],
    30,
  );
  expect(run.logs.get('o/temperature')!.last).toMatchObject({ phase: 'pending', dueAt: T0 + 70_000 });
  expect(run.transitions).toEqual([]);
});

describe('field pain 15, unexplained: what was told beside what comes again', () => {
  test('the same, though its episode has another name', async () => {
    const { transitions } = await again(
      {},
      [
        [0, 85],
        [5, 60],
      ],
      10,
    );
    const told = transitions.map((each) => ({ ...each, episode: 'another' }));
    expect(comparedAgain(told, transitions).same).toBe(true);
  });

  test('another time, another value, or one that is missing is not the same', async () => {
    const { transitions } = await again(
      {},
      [
        [0, 85],
        [5, 60],
      ],
      10,
    );
    const [firing, resolved] = transitions;
    expect(comparedAgain([{ ...firing!, ts: firing!.ts - 1 }, resolved!], transitions).same).toBe(false);
    expect(comparedAgain([{ ...firing!, value: 84 }, resolved!], transitions).same).toBe(false);
    expect(comparedAgain([firing!], transitions).pairs).toMatchObject([
      { same: true },
      { same: false, again: resolved },
    ]);
  });

  test('what people and deployments bring about is not expected of readings', async () => {
    const { transitions } = await again({}, [[0, 85]], 10);
    const removed = { ...transitions[0]!, seq: 2, state: 'resolved', reason: 'removed' } as const;
    expect(comparedAgain([...transitions, removed], transitions).same).toBe(true);
  });
});
