import { expect, test } from 'vitest';
import { Ticking } from './ticking.ts';

test('functions look at what is due each so often, and at once where the clock was set back by more', () => {
  let now = 1_700_000_000_000;
  const ticking = new Ticking({ now: () => now }, 1_000);
  expect(ticking.waitMs).toBe(0);
  ticking.done();
  expect(ticking.waitMs).toBe(1_000);
  now += 999;
  expect(ticking.waitMs).toBe(1);
  now += 5_000;
  expect(ticking.waitMs).toBe(0);
  ticking.done();
  now -= 3_600_000;
  expect(ticking.waitMs).toBe(0);
  ticking.done();
  expect(ticking.waitMs).toBe(1_000);
});
