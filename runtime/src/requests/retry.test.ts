import { expect, test } from 'vitest';
import { isRetryable, parseRetryAfter, RETRY_AFTER_MS_MAX, retryDelayMs } from './retry.ts';

test('an answer that another attempt would not change is an answer', () => {
  const retryable = [200, 204, 301, 400, 401, 404, 408, 409, 410, 425, 429, 500, 501, 503, 599].filter(isRetryable);
  expect(retryable).toEqual([408, 425, 429, 500, 501, 503, 599]);
});

test('attempts spread over a time that doubles up to a minute, so that many devices do not come as one', () => {
  const bounds = [1, 2, 3, 7, 8, 11].map((attempts) => retryDelayMs({ attempts, chance: 0.999_999 }));
  expect(bounds).toEqual([500, 1_000, 2_000, 32_000, 60_000, 60_000]);
  expect(retryDelayMs({ attempts: 5, chance: 0 })).toBe(0);
});

test('what a destination asks for is kept, within reason', () => {
  expect(retryDelayMs({ attempts: 1, chance: 0, retryAfterMs: 7_000 })).toBe(7_000);
  expect(retryDelayMs({ attempts: 1, chance: 0, retryAfterMs: 1e12 })).toBe(RETRY_AFTER_MS_MAX);
});

test.each([
  [null, undefined],
  [undefined, undefined],
  ['120', 120_000],
  ['Sat, 21 Nov 2026 03:12:30 GMT', 30_000],
  ['Sat, 21 Nov 2026 03:11:00 GMT', 0],
  ['soon', undefined],
  ['-5', undefined],
])('Retry-After %s is %s ms', (text, ms) => {
  expect(parseRetryAfter(text, Date.parse('2026-11-21T03:12:00Z'))).toBe(ms);
});
