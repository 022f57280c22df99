import { type AlertTransition, columnsOf, type Reading, type RuleInput, ruleSchema } from '@weir/protocols';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FunctionSandbox } from '../sandbox/sandbox.ts';
import { RuleReplay } from './replay.ts';

const T0 = 1_700_000_000_000;
const sandbox: FunctionSandbox = {
  load: async () => ({ kind: 'crashed', message: 'none' }),
  step: async () => ({ kind: 'crashed', message: 'none' }),
  drop: () => {},
};

interface Run {
  replay: RuleReplay;
  told: AlertTransition[];
}

async function runOf(rule: Partial<RuleInput>): Promise<Run> {
  const told: AlertTransition[] = [];
  const parsed = ruleSchema.parse({ name: 'hot', metric: 'temperature', above: 80, clear: 75, ...rule });
  const bundle = { weir: 1, kind: 'rule', rule: parsed } as const;
  const onTransition = (transition: AlertTransition) => told.push(transition);
  const replay = new RuleReplay({ bundle, hash: 'a'.repeat(64) }, { sandbox, device: 'gw1', onTransition });
  await replay.start(T0);
  return { replay, told };
}

const at = (second: number, value: number): Reading => ({
  sensor: 'o',
  metric: 'temperature',
  value,
  ts: T0 + second * 1_000,
});
const words = (told: readonly AlertTransition[]) => told.map(({ state, ts }) => `${state}@${(ts - T0) / 1_000}`);

test('what falls due between two readings falls due at its time', async () => {
  const { replay, told } = await runOf({ for: '10s' });
  await replay.step(columnsOf([at(0, 81)]), T0);
  await replay.runUntil(T0 + 9_000);
  expect(told).toEqual([]);
  await replay.runUntil(T0 + 60_000);
  expect(words(told)).toEqual(['firing@10']);
});

test('over a restart only what is kept goes on', async () => {
  const { replay, told } = await runOf({ for: '10s' });
  await replay.step(columnsOf([at(0, 81)]), T0);
  await replay.restart(T0 + 3_000, T0 + 5_000);
  await replay.runUntil(T0 + 60_000);
  expect(words(told)).toEqual(['firing@10']);
});

test('a bundle that is no rule is refused', () => {
  const bundle = { weir: 1, kind: 'forwarding', forwarding: {} } as never;
  const make = () => new RuleReplay({ bundle, hash: '' }, { sandbox, device: 'gw1', onTransition: () => {} });
  expect(make).toThrowError(expect.objectContaining({ code: 'rule-wanted' }));
});

test('however readings are cut into steps, and wherever it restarts, the same comes of them', async () => {
  const samples = fc.array(
    fc.record({ dt: fc.integer({ min: 1, max: 30 }), value: fc.integer({ min: 60, max: 100 }) }),
    {
      minLength: 1,
      maxLength: 40,
    },
  );
  await fc.assert(
    fc.asyncProperty(samples, fc.constantFrom(0, 7_000), fc.nat(40), async (steps, held, restartAfter) => {
      const run = async (restartAt: number | undefined) => {
        const { replay, told } = await runOf({ for: held });
        let second = 0;
        for (const [i, { dt, value }] of steps.entries()) {
          second += dt;
          await replay.step(columnsOf([at(second, value)]), T0 + second * 1_000);
          if (i === restartAt) await replay.restart(replay.now, replay.now);
        }
        await replay.runUntil(replay.now + 60_000);
        replay.dispose();
        return words(told);
      };
      expect(await run(restartAfter)).toEqual(await run(undefined));
    }),
    { numRuns: 30 },
  );
});
