import { describe, expect, test } from 'vitest';
import type { WeekTimes } from '../alert/plan.ts';
import { changesAt, inTimes, parseWeekSpan, weekTimesSchema } from './week-times.ts';

const at = (text: string) => Date.parse(text);
const iso = (time: number) => (time === Number.POSITIVE_INFINITY ? 'never' : new Date(time).toISOString());
const times = (zone: string, span: string | string[], except: string[] = []): WeekTimes[] => [
  { zone, times: [span].flat(), except },
];

/** The next ten. */
function changes(schedule: WeekTimes[], from: number): string[] {
  const found = [changesAt(schedule, from)];
  while (found.length < 10 && found.at(-1) !== Number.POSITIVE_INFINITY) found.push(changesAt(schedule, found.at(-1)!));
  return found.map(iso);
}

describe('what is within', () => {
  const check = (span: string, zone: string, time: string, expected: boolean, except: string[] = []) =>
    test(`${span} in ${zone} at ${time}, without [${except}]: ${expected}`, () =>
      expect(inTimes(times(zone, span, except), at(time))).toBe(expected));

  // 2026-11-30 is a Monday.
  check('Mon-Fri 08:00-17:00', 'Europe/Oslo', '2026-11-30T07:00:00Z', true);
  check('Mon-Fri 08:00-17:00', 'Europe/Oslo', '2026-11-30T06:59:59.999Z', false);
  check('Mon-Fri 08:00-17:00', 'Europe/Oslo', '2026-11-30T16:00:00Z', false);
  check('mon, WED - friday 08:00 - 17:00', 'UTC', '2026-12-03T08:00:00Z', true);
  check('mon, WED - friday 08:00 - 17:00', 'UTC', '2026-12-01T08:00:00Z', false);
  check('Sat-Mon', 'UTC', '2026-11-30T23:59:59Z', true);
  check('Sat-Mon', 'UTC', '2026-12-01T00:00:00Z', false);
  check('00:00-24:00', 'Asia/Kathmandu', '2026-11-30T18:15:00Z', true);
  check('22:00-00:00', 'UTC', '2026-11-30T23:59:59Z', true);
  check('22:00-00:00', 'UTC', '2026-12-01T00:00:00Z', false);
  // A span belongs to the day on which it begins.
  check('Sat,Sun 22:00-06:00', 'UTC', '2026-11-30T05:59:00Z', true);
  check('Sat,Sun 22:00-06:00', 'UTC', '2026-11-28T05:00:00Z', false);
  check('22:00-06:00', 'UTC', '2026-12-25T05:00:00Z', false, ['2026-12-24']);
  check('22:00-06:00', 'UTC', '2026-12-24T05:00:00Z', true, ['2026-12-24']);
  check('22:00-06:00', 'UTC', '2026-12-24T23:00:00Z', false, ['2026-12-24']);
  check('22:00-06:00', 'UTC', '2026-12-25T22:00:00Z', true, ['2026-12-24']);
  // 1969 was before any epoch, and a Wednesday at its end.
  check('Wed', 'UTC', '1969-12-31T12:00:00Z', true);
});

describe('semantics 8, DST: the clock on the wall counts', () => {
  test('a span within the hour that is skipped does not come that day', () => {
    // Clocks in Oslo are set from two to three on 2027-03-28.
    const night = times('Europe/Oslo', 'Sun 02:15-02:45');
    expect(iso(changesAt(night, at('2027-03-27T12:00:00Z')))).toBe('2027-04-04T00:15:00.000Z');
  });

  test('eight in the morning is eight in the morning on the day clocks are set', () => {
    const day = times('Europe/Oslo', '08:00-17:00');
    expect(iso(changesAt(day, at('2027-03-27T20:00:00Z')))).toBe('2027-03-28T06:00:00.000Z');
    expect(iso(changesAt(day, at('2027-10-30T20:00:00Z')))).toBe('2027-10-31T07:00:00.000Z');
  });

  test('a span within the hour that is repeated comes twice', () => {
    const night = times('Europe/Oslo', '02:15-02:45');
    expect(changes(night, at('2027-10-30T22:00:00Z')).slice(0, 4)).toEqual([
      '2027-10-31T00:15:00.000Z',
      '2027-10-31T00:45:00.000Z',
      '2027-10-31T01:15:00.000Z',
      '2027-10-31T01:45:00.000Z',
    ]);
  });

  test('a day that a country leaves out has no times: Apia had no 30th of December in 2011', () => {
    const friday = times('Pacific/Apia', 'Fri');
    expect(iso(changesAt(friday, at('2011-12-27T12:00:00Z')))).toBe('2012-01-05T10:00:00.000Z');
  });
});

describe('the zone of the device', () => {
  const day = times('device', '08:00-17:00');
  test('is that of its tag', () => expect(inTimes(day, at('2026-11-30T07:30:00Z'), 'Europe/Oslo')).toBe(true));
  test('is UTC without one', () => expect(inTimes(day, at('2026-11-30T07:30:00Z'))).toBe(false));
  test('is UTC when the tag names none', () => {
    expect(inTimes(day, at('2026-11-30T08:30:00Z'), 'the hall')).toBe(true);
    expect(inTimes(day, at('2026-11-30T08:30:00Z'), '')).toBe(true);
  });
});

describe('the next change', () => {
  test('is the end of the last of spans that meet', () => {
    const both = times('UTC', ['08:00-12:00', '12:00-17:00']);
    expect(iso(changesAt(both, at('2026-11-30T09:00:00Z')))).toBe('2026-11-30T17:00:00.000Z');
  });

  test('never comes for all days, nor without times', () => {
    expect(iso(changesAt(times('America/Havana', '00:00-24:00'), at('2026-11-30T09:00:00Z')))).toBe('never');
    expect(iso(changesAt([], at('2026-11-30T09:00:00Z')))).toBe('never');
    expect(inTimes([], at('2026-11-30T09:00:00Z'))).toBe(false);
  });

  test('may be a day left out that is years away, each in its turn', () => {
    const always = times('Asia/Kathmandu', 'Mon-Sun', ['2040-01-01', '2031-05-17', '2026-12-02']);
    const midnight = 'T18:15:00.000Z';
    expect(changes(always, at('2026-11-30T09:00:00Z'))).toEqual([
      `2026-12-01${midnight}`,
      `2026-12-02${midnight}`,
      `2031-05-16${midnight}`,
      `2031-05-17${midnight}`,
      `2039-12-31${midnight}`,
      `2040-01-01${midnight}`,
      'never',
    ]);
  });

  test('of several schedules is that of all together', () => {
    const shifts = [...times('Europe/Oslo', '08:00-16:00'), ...times('America/New_York', '08:00-16:00')];
    // Oslo works until 15:00 UTC, New York from 13:00 UTC on.
    expect(iso(changesAt(shifts, at('2026-11-30T08:00:00Z')))).toBe('2026-11-30T21:00:00.000Z');
  });

  test('is found where no calendar goes', () => {
    expect(iso(changesAt(times('UTC', '08:00-09:00'), 1e300))).toBe('never');
  });
});

test.each([
  ['nights', 'is no day of the week'],
  ['Monkey', 'is no day of the week'],
  ['Mon-Tue-Wed', 'is no day of the week'],
  ['Mo 08:00-09:00', 'is no day of the week'],
  ['', 'is not understood'],
  ['Mon 08:00', 'is not understood'],
  ['8-17', 'is not understood'],
  ['25:00-26:00', '25:00 in "25:00-26:00" is no time of day'],
  ['08:60-09:00', 'is no time of day'],
  ['02:00-02:00', 'is empty'],
])('the time %s is refused: it %s', (text, message) => {
  expect(() => parseWeekSpan(text)).toThrow(message);
});

test('what people write is taken with what is left out filled in, and what is wrong is said with its place', () => {
  expect(weekTimesSchema.parse({ times: 'Sat, Sun' })).toEqual({ zone: 'device', times: ['Sat, Sun'], except: [] });
  const wrong = weekTimesSchema.safeParse({ zone: 'Mars/Olympus', times: ['Mon', 'Xyz'], except: '2026-02-30' });
  expect(wrong.error?.issues.map(({ path, message }) => `${path.join('.')}: ${message.split(';')[0]}`)).toEqual([
    'zone: there is no time zone "Mars/Olympus"',
    'times.1: "Xyz" in "Xyz" is no day of the week',
    'except.0: "2026-02-30" is no date',
  ]);
});

test('ten thousand questions take no time that anybody notices', () => {
  const shift = times('Africa/Casablanca', ['Mon-Fri 08:00-17:00', 'Sat,Sun 22:00-06:00'], ['2026-12-24']);
  const started = performance.now();
  for (let each = 0; each < 10_000; each++) {
    inTimes(shift, 1_800_000_000_000 + each * 1_000);
    changesAt(shift, 1_800_000_000_000 + each * 1_000);
  }
  // Some 20 ms; a question to Intl each would be a second or more.
  expect(performance.now() - started).toBeLessThan(1_000);
});
