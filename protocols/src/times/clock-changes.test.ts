/**
 * No schedule is wrong on any day on which clocks are set: each change of ten years in zones of every kind, against what a
 * clock on the wall shows, minute by minute. What it shows is asked of Intl as text, and compared as text.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { WeekTimes } from '../alert/plan.ts';
import { changesAt, inTimes } from './week-times.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const FROM = Date.parse('2020-01-01T00:00:00Z');
const TO = Date.parse('2031-01-01T00:00:00Z');
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** By half an hour, by two, at midnight, for Ramadan, the other way round, for the last time, and never. */
const ZONES: Record<string, number> = {
  'Africa/Cairo': 14,
  'Africa/Casablanca': 22,
  'Africa/El_Aaiun': 22,
  'America/Asuncion': 10,
  'America/Havana': 22,
  'America/New_York': 22,
  'America/Nuuk': 21,
  'America/Santiago': 22,
  'America/Scoresbysund': 22,
  'America/St_Johns': 22,
  'Antarctica/Casey': 7,
  'Antarctica/Troll': 22,
  'Asia/Amman': 5,
  'Asia/Beirut': 22,
  'Asia/Gaza': 24,
  'Asia/Kathmandu': 0,
  'Asia/Kolkata': 0,
  'Asia/Tehran': 6,
  'Atlantic/Azores': 22,
  'Australia/Adelaide': 22,
  'Australia/Lord_Howe': 22,
  'Europe/Dublin': 22,
  'Europe/London': 22,
  'Europe/Oslo': 22,
  'Pacific/Apia': 3,
  'Pacific/Chatham': 22,
  'Pacific/Norfolk': 22,
};

/** What the clock on the wall shows: `2026-03-29 03:15`. */
function wallOf(zone: string): (at: number) => string {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' });
  return (at) => format.format(at);
}

/** The minutes at which the wall clock does not go on by one minute. */
function changesOf(zone: string, from: number, to: number): number[] {
  const wall = wallOf(zone);
  const found: number[] = [];
  for (let day = from; day < to; day += DAY_MS) {
    if (wall(day).slice(11) === wall(day + DAY_MS).slice(11)) continue;
    for (let at = day; at < day + DAY_MS; at += MINUTE_MS) {
      if (Date.parse(`${wall(at)}Z`) - Date.parse(`${wall(at - MINUTE_MS)}Z`) !== MINUTE_MS) found.push(at);
    }
  }
  return found;
}

/** The meaning of a schedule, as it is written down, on texts. */
function isShown(schedule: WeekTimes, wall: string): boolean {
  const [date, clock] = [wall.slice(0, 10), wall.slice(11)];
  const before = new Date(Date.parse(date) - DAY_MS).toISOString().slice(0, 10);
  const isOn = (days: string, on: string) =>
    days.split(',').includes(DAYS[new Date(on).getUTCDay()]!) && !schedule.except.includes(on);
  return schedule.times.some((text) => {
    const [days, span = '00:00-24:00'] = text.split(' ') as [string, string?];
    const [from, to] = span.split('-') as [string, string];
    if (from < to) return isOn(days, date) && clock >= from && clock < to;
    return (isOn(days, date) && clock >= from) || (isOn(days, before) && clock < to);
  });
}

/** Spans that begin and end around the change, as the clock shows it before and after. */
function schedules(zone: string, change: number): fc.Arbitrary<WeekTimes> {
  const wall = wallOf(zone);
  const shown = [-1, 0, -61, 60, -130, 130].map((minutes) => wall(change + minutes * MINUTE_MS));
  const clock = fc.oneof(
    fc.constantFrom(...shown.map((text) => text.slice(11))),
    fc.constantFrom('00:00', '02:00', '02:15', '02:45', '06:00', '22:00', '23:59'),
    fc.integer({ min: 0, max: 1439 }).map((minute) => new Date(minute * MINUTE_MS).toISOString().slice(11, 16)),
  );
  const days = fc.subarray(DAYS, { minLength: 1 }).map((each) => each.join(','));
  const span = fc
    .tuple(days, fc.option(fc.tuple(clock, clock).filter(([from, to]) => from !== to)))
    .map(([on, edges]) => (edges === null ? on : `${on} ${edges.join('-')}`));
  return fc.record({
    zone: fc.constant(zone),
    times: fc.array(span, { minLength: 1, maxLength: 2 }),
    except: fc.subarray([...new Set(shown.map((text) => text.slice(0, 10)))], { maxLength: 1 }),
  });
}

/** By the minute around the change, by the quarter until the next morning is over. */
function minutesAround(change: number): number[] {
  const minutes: number[] = [];
  for (let at = change - 26 * HOUR_MS; at < change + 32 * HOUR_MS; ) {
    minutes.push(at);
    at += Math.abs(at - change) <= 150 * MINUTE_MS ? MINUTE_MS : 15 * MINUTE_MS;
  }
  return minutes;
}

function verify(zone: string, change: number, seed: number): void {
  const wall = wallOf(zone);
  const shown = minutesAround(change).map((at) => ({ at, wall: wall(at) }));
  for (const schedule of fc.sample(schedules(zone, change), { numRuns: 4, seed })) {
    let until = changesAt([schedule], shown[0]!.at);
    let now = isShown(schedule, shown[0]!.wall);
    for (const { at, wall } of shown) {
      const expected = isShown(schedule, wall);
      // Followed from change to change, it comes to the same.
      for (; until <= at; until = changesAt([schedule], until)) now = !now;
      const within = inTimes([schedule], at);
      if (within === expected && now === expected) continue;
      // A million times; expect() would be most of it.
      const found = `inTimes says ${within}, changesAt leads to ${now}`;
      throw new Error(`${JSON.stringify(schedule)} at ${wall} (${new Date(at).toISOString()}), seed ${seed}: ${found}`);
    }
  }
}

test.each(Object.entries(ZONES))(
  'schedules in %s over eleven years, in which clocks are set %i times',
  (zone, count) => {
    const changes = changesOf(zone, FROM, TO);
    // What they are depends on the time zone data that Node brings; fewer than these would be a test that does not look.
    expect(changes.length).toBeGreaterThanOrEqual(Math.floor(count / 2));
    for (const [index, change] of (changes.length > 0 ? changes : [FROM]).entries()) verify(zone, change, index);
  },
);

test.each([
  ['Pacific/Apia', '2011-12-30T10:00:00Z'],
  ['Asia/Kathmandu', '1985-12-31T18:30:00Z'],
  ['Asia/Pyongyang', '2018-05-04T15:00:00Z'],
  ['America/Caracas', '2016-05-01T07:00:00Z'],
])('schedules in %s around %s, when the country moved', (zone, change) => {
  for (let seed = 0; seed < 20; seed++) verify(zone, Date.parse(change), seed);
});
