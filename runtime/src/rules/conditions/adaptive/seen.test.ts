import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CELLS, Memory } from './memory.ts';
import { Seen } from './seen.ts';

/** Each value in so many slots. */
function seenOf(values: readonly number[], slots = 4): Seen {
  const memory = new Memory(48, 1_800_000);
  const seen = new Seen(memory);
  for (let slot = 0; slot < slots; slot++) {
    for (const value of values) {
      seen.visit(value);
      memory.scalars.readings++;
    }
    seen.close();
  }
  return seen;
}

test('what was visited is known, and what is between or beyond is as far as the nearest of it', () => {
  const seen = seenOf([20, 21, 22, 80, 81]);
  for (const value of [20, 21, 22, 80, 81]) expect(seen.beyond(value)).toBe(0);
  expect(seen.beyond(40)).toBeGreaterThan(15);
  expect(seen.beyond(40)).toBeLessThanOrEqual(18);
  expect(seen.beyond(70)).toBeLessThan(-8);
  expect(seen.beyond(100)).toBeGreaterThan(16);
  expect(seen.beyond(-5)).toBeLessThan(-23);
});

test('one slot is not enough, and nothing is beyond what nobody knows', () => {
  expect(seenOf([5], 1).beyond(1e6)).toBe(0);
  expect(seenOf([5], 2).beyond(1e6)).toBeGreaterThan(9e5);
});

test('a glitch of a thousand times as much leaves what was known as fine as it was, more or less', () => {
  const memory = new Memory(48, 1_800_000);
  const seen = new Seen(memory);
  for (let at = 0; at < 2_000; at++) {
    seen.visit(at === 1_000 ? 1e6 : 50 + 10 * Math.sin(at));
    memory.scalars.readings++;
    if (at % 10 === 9) seen.close();
  }
  expect(seen.beyond(75)).toBeGreaterThan(8);
  expect(seen.span).toBeLessThan(40);
});

test('what is rare is far in its tail, and close where there is none', () => {
  const even = seenOf([1, 2, 3, 4, 5, 6, 7, 8], 40);
  expect(even.margin(12)).toBeLessThan(2);
  const memory = new Memory(48, 1_800_000);
  const skew = new Seen(memory);
  for (let at = 0; at < 400; at++) {
    skew.visit(at % 100 === 0 ? 90 + at / 10 : 1 + (at % 3));
    memory.scalars.readings++;
    if (at % 2 === 1) skew.close();
  }
  expect(skew.margin(300)).toBeGreaterThan(30);
  expect(skew.margin(50)).toBeGreaterThan(30);
});

test('what does not come any more is forgotten', () => {
  const seen = seenOf([10, 500], 30);
  for (let period = 0; period < 90; period++) {
    for (let slot = 0; slot < 4; slot++) {
      seen.visit(10);
      seen.close();
    }
    seen.endPeriod();
  }
  expect(Math.abs(seen.beyond(500))).toBeGreaterThan(400);
  expect(seen.beyond(10)).toBe(0);
});

test('whatever comes, cells hold it, and the last value that was visited twice is known', () => {
  const value = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.constant(0));
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 40 }), (values) => {
      const seen = seenOf([...values.slice(0, CELLS - 1)], 1);
      const last = values.at(-1)!;
      for (let slot = 0; slot < 2; slot++) {
        seen.visit(last);
        seen.close();
      }
      expect(seen.beyond(last)).toBe(0);
      expect(Number.isNaN(seen.margin(last))).toBe(false);
    }),
    { numRuns: 200 },
  );
});
