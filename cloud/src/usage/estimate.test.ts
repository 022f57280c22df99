import { LAMBDA_PRICES, NO_USAGE } from '@weir/runtime';
import { describe, expect, test } from 'vitest';
import { estimateMonth } from './estimate.ts';
import type { UsageRow } from './ledger.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 10, 21, 6);

function row(name: string, changes: Partial<UsageRow> = {}): UsageRow {
  const used = { ...NO_USAGE, invocations: 1_000, readings: 100_000, cpuMs: 2_000, heapBytesMax: 5, outputs: 1 };
  const about = { function: name, version: '1', where: 'edge' as const, memoryMb: 64, from: NOW - 3 * DAY, to: NOW };
  return { ...about, ...used, ...changes };
}

const estimate = (rows: UsageRow[], deployed: string[] = []) =>
  estimateMonth(rows, { deployed: new Set(deployed), now: NOW, prices: LAMBDA_PRICES.x86 });

test('three days are a tenth of a month', () => {
  const { items, total } = estimate([row('mean')]);
  expect(items[0]!.month!.batched.requests).toBeCloseTo(10_000, 6);
  expect(items[0]!.month!.oneByOne.requests).toBeCloseTo(1_000_000, 6);
  // 10,000 times 2 ms at 128 MB.
  expect(items[0]!.month!.batched.gbSeconds).toBeCloseTo(2.5, 9);
  expect(total).toEqual(items[0]!.month);
});

test('versions and places of one function are one line; each has the memory of its own limit', () => {
  const rows = [row('mean'), row('mean', { version: '2', memoryMb: 512 }), row('mean', { where: 'cloud' })];
  const { items } = estimate(rows);
  expect(items).toMatchObject([{ function: 'mean', invocations: 3_000, readings: 300_000, memoryMb: 512 }]);
  expect(items[0]!.month!.batched.gbSeconds).toBeCloseTo(2.5 + 10 + 2.5, 9);
});

describe('how long it was measured', () => {
  const spanOf = (rows: UsageRow[], deployed: string[] = []) => {
    const { from, to, month } = estimate(rows, deployed).items[0]!;
    return [to - from, month !== undefined];
  };
  test.each([
    ['less than a minute says nothing of a month', { from: NOW - 59_999 }, [], [59_999, false]],
    ['a minute does', { from: NOW - 60_000 }, [], [60_000, true]],
    ['one that is deployed is measured while it is idle', { to: NOW - 2 * DAY }, ['mean'], [3 * DAY, true]],
    ['one that was taken off is not', { to: NOW - 2 * DAY }, ['other'], [DAY, true]],
  ])('%s', (_what, changes, deployed, expected) => {
    expect(spanOf([row('mean', changes)], deployed)).toEqual(expected);
  });

  test('from the first of its parts to the last', () => {
    const parts = [row('mean', { from: NOW - 9 * HOUR, to: NOW - 8 * HOUR }), row('mean', { from: NOW - HOUR })];
    expect(spanOf(parts)).toEqual([9 * HOUR, true]);
  });
});

test('what was measured for too short a time is in no sum', () => {
  const short = row('new', { from: NOW - 1_000 });
  expect(estimate([row('mean'), short]).total).toEqual(estimate([row('mean')]).total);
  expect(estimate([short]).total.batched.usd).toBe(0);
});

test('the free tier is taken off once, for it is the account that has it', () => {
  const many = { invocations: 60_000, readings: 60_000, cpuMs: 60_000 };
  const { total, totalAfterFreeTier } = estimate([row('a', many), row('b', many)]);
  expect(total.batched.requests).toBeCloseTo(1_200_000, 3);
  expect(totalAfterFreeTier.batched.requests).toBeCloseTo(200_000, 3);
  expect(totalAfterFreeTier.batched.usd).toBeCloseTo(0.04, 6);
});
