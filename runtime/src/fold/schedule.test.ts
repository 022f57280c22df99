import { expect, test } from 'vitest';
import { Beat } from './schedule.ts';

const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
const before = (schedule: object, now: string) => iso(new Beat({ name: 'b', ...schedule }).before(Date.parse(now)));

test('`every` counts from the epoch', () => {
  expect(before({ every: 3_600_000 }, '2026-11-21T10:59:59.999Z')).toBe('2026-11-21T10:00:00.000Z');
  expect(before({ every: 3_600_000 }, '2026-11-21T11:00:00.000Z')).toBe('2026-11-21T11:00:00.000Z');
});

test('cron is read in its time zone', () => {
  const weekdaysAtSix = { cron: '0 6 * * 1-5', timeZone: 'Europe/Oslo' };
  expect(before(weekdaysAtSix, '2026-11-20T05:00:00.000Z')).toBe('2026-11-20T05:00:00.000Z');
  expect(before(weekdaysAtSix, '2026-11-20T04:59:59.999Z')).toBe('2026-11-19T05:00:00.000Z');
  // Saturday: the last run was on Friday.
  expect(before(weekdaysAtSix, '2026-11-21T12:00:00.000Z')).toBe('2026-11-20T05:00:00.000Z');
  expect(before({ cron: '0 6 * * *' }, '2026-11-20T07:00:00.000Z')).toBe('2026-11-20T06:00:00.000Z');
});

test('local time keeps its hour when the clocks change', () => {
  const noon = { cron: '0 12 * * *', timeZone: 'Europe/Oslo' };
  expect(before(noon, '2026-03-28T20:00:00Z')).toBe('2026-03-28T11:00:00.000Z');
  expect(before(noon, '2026-03-29T20:00:00Z')).toBe('2026-03-29T10:00:00.000Z');
  expect(before(noon, '2026-10-25T20:00:00Z')).toBe('2026-10-25T11:00:00.000Z');
});

test('a pattern or a zone that is none is refused', () => {
  expect(() => new Beat({ name: 'b', cron: 'every day' })).toThrow();
  expect(() => new Beat({ name: 'b', cron: '0 6 * * *', timeZone: 'Europe/Atlantis' })).toThrow();
});
