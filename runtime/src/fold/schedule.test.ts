import { Cron } from 'croner';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
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

describe('whoever asks at every tick gets the same as who asks once', () => {
  const days = ['2026-03-28', '2026-10-24', '2026-10-31', '2026-03-07', '2026-04-04', '2026-10-03', '2026-12-31'];
  test.each([
    ['30 2 * * *', 'Europe/Oslo'],
    ['*/20 1-3 * * *', 'America/New_York'],
    ['0 * * * *', 'Australia/Lord_Howe'],
    ['15,45 0 1 * *', 'UTC'],
  ])('%s in %s, through every change of the clocks', (cron, timeZone) => {
    for (const day of days) {
      const schedule = { cron, timeZone };
      const beat = new Beat({ name: 'b', ...schedule });
      const from = Date.parse(`${day}T00:00:00Z`);
      for (let at = from; at < from + 2 * 86_400_000; at += 1_800_000 - 1) {
        const now = new Date(at).toISOString();
        expect(iso(beat.before(at)), `at ${now}`).toBe(before(schedule, now));
      }
    }
  });

  test('a clock that is set back is asked anew', () => {
    const beat = new Beat({ name: 'b', cron: '0 6 * * *' });
    expect(iso(beat.before(Date.parse('2026-11-20T07:00:00Z')))).toBe('2026-11-20T06:00:00.000Z');
    expect(iso(beat.before(Date.parse('2026-11-18T05:00:00Z')))).toBe('2026-11-17T06:00:00.000Z');
    expect(iso(beat.before(Date.parse('2026-11-20T06:00:00Z')))).toBe('2026-11-20T06:00:00.000Z');
  });

  test('the calendar is looked through once for each run, however often the clock ticks', () => {
    const beat = new Beat({ name: 'b', cron: '0 6 * * *', timeZone: 'Europe/Oslo' });
    const looks = vi.spyOn(Cron.prototype, 'previousRuns');
    onTestFinished(() => looks.mockRestore());
    const from = Date.parse('2026-11-20T05:00:00Z');
    for (let at = from; at < from + 86_400_000; at += 1_000) beat.before(at);
    expect(looks).toHaveBeenCalledTimes(1);
  });
});
