import { NO_USAGE } from '@weir/runtime';
import { expect, test } from 'vitest';
import { COUNTED_MAX, UsageCounts } from './counts.ts';
import { OTHERS, type UsageEntry } from './ledger.ts';

function entry(name: string, readings: number): UsageEntry {
  return { ...NO_USAGE, function: name, version: '1', memoryMb: 64, from: 0, to: 0, readings };
}

test('devices may name as many functions as they like: the series are bounded, and no reading goes uncounted', () => {
  const counts = new UsageCounts();
  for (let n = 0; n < COUNTED_MAX + 20; n++) counts.add('edge', [entry(`f${n}`, 1)]);
  counts.add('edge', [entry('f0', 5)]);
  const all = [...counts.all()];
  expect(all.length).toBeLessThanOrEqual(COUNTED_MAX + 1);
  expect(all.reduce((sum, { readings }) => sum + readings, 0)).toBe(COUNTED_MAX + 25);
  expect(all.find(({ function: name }) => name === OTHERS)).toMatchObject({ readings: 20 });
  expect(all.find(({ function: name }) => name === 'f0')).toMatchObject({ readings: 6 });
});
