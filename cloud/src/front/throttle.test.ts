import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Throttle } from './throttle.ts';

const LIMITS = { packetsPerS: 100, bytesPerS: 10_000 };

test('after a silence a second’s worth passes at once; what is over it is waited for', () => {
  const throttle = new Throttle(LIMITS);
  throttle.spend(100, 0, 1_000_000);
  expect(throttle.waitMs(1_000_000)).toBe(0);
  throttle.spend(10, 0, 1_000_000);
  expect(throttle.waitMs(1_000_000)).toBe(100);
  expect(throttle.waitMs(1_000_100)).toBe(0);
  throttle.spend(0, 10_000, 1_000_100);
  expect(throttle.waitMs(1_000_100)).toBe(1_000);
});

test('whoever reads only when it may never gets more than its rate and what it read last', () => {
  const reads = fc.array(fc.record({ packets: fc.integer({ min: 0, max: 300 }), pauseMs: fc.nat(2_000) }));
  fc.assert(
    fc.property(reads, (reads) => {
      const throttle = new Throttle(LIMITS);
      const start = 1_000_000;
      let now = start;
      let passed = 0;
      for (const { packets, pauseMs } of reads) {
        now += pauseMs + throttle.waitMs(now + pauseMs);
        expect(passed).toBeLessThanOrEqual(((now - start) / 1_000) * 100 + 100 + 0.001);
        throttle.spend(packets, 0, now);
        passed += packets;
      }
    }),
  );
});

test('a clock that is set back by a year stops nobody', () => {
  const throttle = new Throttle(LIMITS);
  throttle.spend(1_000, 0, 2_000_000_000_000);
  const earlier = 2_000_000_000_000 - 365 * 86_400_000;
  expect(throttle.waitMs(earlier)).toBe(0);
  throttle.spend(10, 0, earlier);
  expect(throttle.waitMs(earlier)).toBe(100);
});
