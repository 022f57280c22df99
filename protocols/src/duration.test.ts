import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';

test.each<[string, number | undefined]>([
  ['500ms', 500],
  ['10s', 10_000],
  ['1.5s', 1500],
  ['1.001s', 1001],
  ['0.1m', 6000],
  ['15 m', 900_000],
  [' 2h ', 7_200_000],
  ['7d', 604_800_000],
  ['0s', 0],
  ['0.5ms', undefined],
  ['-1s', undefined],
  ['10', undefined],
  ['s', undefined],
  ['1h30m', 5_400_000],
  ['1d 2h 3m 4s 5ms', 93_784_005],
  ['1h5ms', 3_600_005],
  ['30m1h', undefined],
  ['1.5h30m', undefined],
  ['1h30', undefined],
  ['1e3s', undefined],
  ['1S', undefined],
  ['', undefined],
  ['999999999999999999d', undefined],
])('%j', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test('a duration written out is read back the same, to the millisecond', () => {
  const written = fc.oneof(
    fc.maxSafeNat().map((ms) => [ms, formatDuration(ms)] as const),
    fc.nat(100_000_000).map((ms) => [ms, `${(ms / 1000).toFixed(3)}s`] as const),
  );
  fc.assert(
    fc.property(written, ([ms, text]) => {
      expect(parseDuration(text)).toBe(ms);
    }),
  );
});

test('the largest unit that is exact is chosen', () => {
  expect([0, 1, 1000, 90_000, 120_000, 3_600_000, 172_800_000].map(formatDuration)).toEqual([
    '0ms',
    '1ms',
    '1s',
    '90s',
    '2m',
    '1h',
    '2d',
  ]);
});
