import { type FunctionUsage, NO_USAGE } from '@weir/runtime';
import { expect, test } from 'vitest';
import { createMemoryStore } from '../store/memory.ts';
import { Effects } from '../workers/effects.ts';
import { CloudUsage, UNCOMMITTED_MS_MAX } from './cloud-usage.ts';
import { UsageCounts } from './counts.ts';

const NOW = Date.UTC(2026, 10, 21, 6);

const watch: FunctionUsage = { ...NO_USAGE, fold: 'watch', version: '1', memoryMb: 64, invocations: 1, cpuMs: 0.5 };

test('ticks that change nothing write nothing for a while, and are then counted all at once', async () => {
  const counts = new UsageCounts();
  const usage = new CloudUsage({ store: createMemoryStore(), partition: 3, keepMs: 86_400_000, counts });
  const effects = new Effects();
  for (let second = 0; second * 1_000 < UNCOMMITTED_MS_MAX; second++) {
    usage.keep([watch], NOW + second * 1_000);
    usage.release(effects, NOW + second * 1_000);
  }
  await usage.account(effects, NOW);
  expect([effects.empty, effects.once]).toEqual([true, []]);
  usage.release(effects, NOW + UNCOMMITTED_MS_MAX);
  expect(effects.empty).toBe(false);
  await usage.account(effects, NOW + UNCOMMITTED_MS_MAX);
  const [change] = effects.once;
  expect(change).toMatchObject({ put: { partition: '00003', sort: '2026-11-21/cloud' } });
  expect(change).toMatchObject({ json: { 'watch@1': { invocations: 60, cpuMs: 30 } } });
  expect([...counts.all()]).toEqual([]);
  effects.tellCommitted();
  expect([...counts.all()]).toMatchObject([{ function: 'watch', where: 'cloud', invocations: 60 }]);
});
