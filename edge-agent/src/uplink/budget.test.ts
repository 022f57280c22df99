import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { makeSchema } from '../spool/schema.ts';
import { accountOn, type Budget, dayOf, endOfDay, withinBudget } from './budget.ts';
import { spentOperations } from './spent-table.ts';

const BUDGET: Budget = { bytesPerDay: 100_000, reserved: 0.2, timeZone: 'UTC' };
const HOUR = 3_600_000;
const NOON = Date.UTC(2026, 10, 28, 12);
const ROOM = { total: 16, others: 15, readings: 10, report: 2, backfill: 1, batchBytes: 5_000 };

test.each([
  ['UTC', NOON, '2026-11-28', NOON + 12 * HOUR],
  ['Pacific/Auckland', NOON, '2026-11-29', Date.UTC(2026, 10, 29, 11)],
  ['Asia/Kathmandu', NOON, '2026-11-28', Date.UTC(2026, 10, 28, 18, 15)],
  // The day on which the clocks are set back has 25 hours, and the one on which they are set forward 23.
  ['Europe/Vienna', Date.UTC(2026, 9, 24, 22), '2026-10-25', Date.UTC(2026, 9, 25, 23)],
  ['Europe/Vienna', Date.UTC(2026, 2, 28, 23), '2026-03-29', Date.UTC(2026, 2, 29, 22)],
])('in %s a day is as long as it is there', (timeZone, at, day, end) => {
  expect(dayOf(at, timeZone)).toBe(day);
  expect(endOfDay(at, timeZone)).toBe(end);
  expect(dayOf(end - 1, timeZone)).toBe(day);
  expect(dayOf(end, timeZone)).not.toBe(day);
});

test('alerts go whatever is spent, reports until all of it is, readings until their part is', () => {
  const within = (bytes: number) => {
    const { room, heldUntil } = withinBudget(ROOM, { day: '2026-11-28', bytes }, BUDGET, NOON);
    return [room.total, room.report, room.readings, room.batchBytes, heldUntil === undefined];
  };
  expect(within(0)).toEqual([16, 2, 10, 5_000, true]);
  expect(within(70_000)).toEqual([16, 2, 1, 5_000, true]);
  expect(within(78_000)).toEqual([16, 2, 1, 2_000, true]);
  expect(within(80_000)).toEqual([16, 2, 0, 5_000, false]);
  expect(within(99_999)).toEqual([16, 2, 0, 5_000, false]);
  expect(within(100_000)).toEqual([16, 0, 0, 5_000, false]);
  expect(within(900_000)[0]).toBe(16);
});

test('a clock that is set back gives no second budget, and one that was far ahead does not take all that follow', () => {
  const today = { day: '2026-11-28', bytes: 70_000 };
  expect(accountOn(today, NOON, BUDGET)).toEqual(today);
  expect(accountOn(today, NOON - 24 * HOUR, BUDGET)).toEqual({ day: '2026-11-27', bytes: 70_000 });
  expect(accountOn(today, NOON + 12 * HOUR, BUDGET)).toEqual({ day: '2026-11-29', bytes: 0 });
  const ahead = accountOn(today, Date.UTC(2100, 0, 1), BUDGET);
  const back = accountOn({ ...ahead, bytes: 500 }, NOON, BUDGET);
  expect(back).toEqual({ day: '2026-11-28', bytes: 500 });
  expect(accountOn(back, NOON + 24 * HOUR, BUDGET).bytes).toBe(0);
});

test('what is kept of a day never gets less, days of a clock that was ahead are forgotten, and a month is kept', () => {
  const db = new DatabaseSync(':memory:');
  makeSchema(db, 'life1');
  const { spend, spent } = spentOperations(db);
  spend({ day: '2026-11-28', bytes: 10.5 });
  spend({ day: '2026-11-28', bytes: 3 });
  expect(spent()).toEqual([{ day: '2026-11-28', bytes: 11 }]);
  spend({ day: '2100-01-01', bytes: 12 });
  spend({ day: '2026-11-29', bytes: 13 });
  expect(spent()).toEqual([
    { day: '2026-11-29', bytes: 13 },
    { day: '2026-11-28', bytes: 11 },
  ]);
  for (let day = 0; day < 60; day++) spend({ day: dayOf(NOON + day * 24 * HOUR, 'UTC'), bytes: 1 });
  expect(spent().length).toBe(31);
  expect(spent()[0]!.day).toBe('2027-01-26');
});
