import { expect, test } from 'vitest';
import { Pacer } from './pacer.ts';

test('a burst of one second passes at once, what is beyond it at the rate; neighbours are not held up', () => {
  const pacer = new Pacer(4);
  const now = 1_000_000;
  expect(Array.from({ length: 7 }, () => pacer.next('f', now) - now)).toEqual([0, 0, 0, 0, 250, 500, 750]);
  expect(pacer.next('g', now)).toBe(now);
});

test('after a rest a burst may come again', () => {
  const pacer = new Pacer(4);
  for (let i = 0; i < 8; i++) pacer.next('f', 0);
  expect(Array.from({ length: 5 }, () => pacer.next('f', 10_000))).toEqual([10_000, 10_000, 10_000, 10_000, 10_250]);
});
