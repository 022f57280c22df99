import { describe, expect, test } from 'vitest';
import { afterFreeTier, costOfMillionReadings, LAMBDA_PRICES, lambdaCost, timesBill } from './lambda-cost.ts';

const { x86, arm } = LAMBDA_PRICES;

describe('a bill is requests, and memory times duration', () => {
  // Worked out by hand: requests / 1e6 * 0.20 + requests * ms / 1000 * GB * price.
  test.each([
    ['a million of 1 ms at 128 MB', { invocations: 1e6, readings: 1e6, cpuMs: 1e6 }, 128, x86, 125, 0.2 + 0.0020833375],
    [
      'less than 1 ms is billed as 1',
      { invocations: 1e6, readings: 1e6, cpuMs: 10 },
      128,
      x86,
      125,
      0.2 + 0.0020833375,
    ],
    ['1.0001 ms are billed as 2', { invocations: 1e6, readings: 0, cpuMs: 1.0001e6 }, 128, x86, 250, 0.2 + 0.004166675],
    ['3 ms stay 3', { invocations: 1e6, readings: 0, cpuMs: 3e6 }, 128, x86, 375, 0.2 + 0.0062500125],
    [
      'a smaller limit is rounded up to 128 MB',
      { invocations: 1e6, readings: 0, cpuMs: 1e6 },
      64,
      x86,
      125,
      0.2020833375,
    ],
    ['a larger one counts', { invocations: 1e6, readings: 0, cpuMs: 1e6 }, 512, x86, 500, 0.2 + 0.00833335],
    ['arm is a fifth cheaper a second', { invocations: 1e6, readings: 0, cpuMs: 1e6 }, 512, arm, 500, 0.2 + 0.0066667],
    ['nothing costs nothing', { invocations: 0, readings: 0, cpuMs: 0 }, 128, x86, 0, 0],
  ])('%s', (_what, used, memoryMb, prices, gbSeconds, usd) => {
    const { batched } = lambdaCost(used, memoryMb, prices);
    expect(batched.gbSeconds).toBeCloseTo(gbSeconds, 9);
    expect(batched.usd).toBeCloseTo(usd, 9);
  });
});

test('one by one, each reading is a request of at least 1 ms: what batches save is told', () => {
  const { batched, oneByOne } = lambdaCost({ invocations: 1_000, readings: 1e6, cpuMs: 5_000 }, 128, x86);
  expect(batched).toMatchObject({ requests: 1_000, gbSeconds: 0.625 });
  expect(oneByOne).toMatchObject({ requests: 1e6, gbSeconds: 125 });
  expect(oneByOne.usd / batched.usd).toBeGreaterThan(900);
});

test('of a short run, a million readings are told: what a trace cost says nothing by itself', () => {
  const cost = costOfMillionReadings({ invocations: 10, readings: 1_000, cpuMs: 20 }, 64, x86)!;
  expect(cost.batched).toMatchObject({ requests: 10_000, gbSeconds: 2.5 });
  expect(cost.oneByOne).toMatchObject({ requests: 1e6, gbSeconds: 125 });
  expect(costOfMillionReadings({ invocations: 3, readings: 0, cpuMs: 1 }, 64, x86)).toBeUndefined();
});

test('a function of schedules has no readings, and yet its invocations', () => {
  const { oneByOne } = lambdaCost({ invocations: 60, readings: 0, cpuMs: 6 }, 128, x86);
  expect(oneByOne.requests).toBe(60);
});

test.each([
  ['below both limits nothing is paid', 1e6, 400_000, 0],
  ['requests over the limit', 3e6, 1, 0.4],
  ['seconds over the limit', 1, 500_000, 1.66667],
])('the free tier: %s', (_what, requests, gbSeconds, usd) => {
  expect(afterFreeTier({ requests, gbSeconds, usd: 99 }, x86).usd).toBeCloseTo(usd, 9);
});

test('an estimate grows with the time it is for, and with nothing else', () => {
  const { batched } = lambdaCost({ invocations: 7, readings: 70, cpuMs: 9 }, 256, x86);
  const times = timesBill(batched, 24);
  expect(times.requests).toBe(7 * 24);
  expect(times.usd).toBeCloseTo(24 * batched.usd, 12);
});
