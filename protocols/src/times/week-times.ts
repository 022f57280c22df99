/**
 * Wall-clock times of the week.
 *
 *     Mon-Fri 08:00-17:00      Sat,Sun 22:00-06:00      02:00-04:00      Sat,Sun
 *
 * A span that ends before it begins goes on to the next day, and belongs to the day on which it begins: what is left out of
 * that day is left out of the next morning, too. A span without times is whole days. What counts is what the clock on the
 * wall shows, first minute in, last one out: of an hour that the clocks skip nothing is within, one that they repeat is
 * within twice.
 */
import { z } from 'zod';
import type { WeekTimes } from '../alert/plan.ts';
import { strict } from '../strict.ts';
import { DAY_MS, isZone, offsetAt, offsetHoldsUntil, TIME_MS_MAX } from './zone.ts';

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1440;
const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const SPAN = /^(?:([a-z]\S*)(?:\s+(?=\d)|$))?(?:(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2}))?$/i;
const REMEDY = "e.g. 'Mon-Fri 08:00-17:00', '22:00-06:00', or 'Sat,Sun'";
/** More than that in one schedule is a calendar. */
const TIMES_MAX = 50;
const EXCEPT_MAX = 500;
/**
 * Times of the week that have not changed for so long never will, but for a day that is left out: a span comes once a week,
 * and clocks that are set, or a country that crosses the date line, may take away one of them.
 */
const UNCHANGED_MS_MAX = 35 * DAY_MS;

export class WeekTimesError extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(message);
    this.name = 'WeekTimesError';
    this.remedy = remedy;
  }
}

/** Days on which it begins, and minutes of the day. */
export interface WeekSpan {
  /** 0 is Sunday. */
  days: ReadonlySet<number>;
  /** Minutes since midnight, as the clock shows them; `to` is not within. */
  from: number;
  /** Not after `from`: of the next day. */
  to: number;
}

/** One of `times`. @throws {WeekTimesError} */
export function parseWeekSpan(text: string): WeekSpan {
  // People write `Sat, Sun` and `08:00 - 17:00`, too.
  const match = SPAN.exec(text.trim().replace(/\s*([,-])\s*/g, '$1'));
  if (match === null || text.trim() === '') throw new WeekTimesError(`"${text}" is not understood`, REMEDY);
  const [, days, ...clock] = match;
  const found = { days: days === undefined ? new Set(DAYS.keys()) : daysOf(days, text), from: 0, to: DAY_MINUTES };
  if (clock[0] === undefined) return found;
  const from = minutesOf(clock[0], clock[1]!, text);
  const to = minutesOf(clock[2]!, clock[3]!, text);
  if (from === to) throw new WeekTimesError(`"${text}" is empty`, `a whole day is 00:00-24:00; ${REMEDY}`);
  return { ...found, from, to };
}

function minutesOf(hours: string, minutes: string, text: string): number {
  const found = Number(hours) * 60 + Number(minutes);
  if (Number(minutes) < 60 && found <= DAY_MINUTES) return found;
  throw new WeekTimesError(`${hours}:${minutes} in "${text}" is no time of day`, REMEDY);
}

function daysOf(list: string, text: string): Set<number> {
  const days = new Set<number>();
  for (const part of list.split(',')) {
    const names = part.split('-');
    const [first, last = first] = names.map((name) => dayOf(name));
    if (names.length > 2 || first === undefined || last === undefined || first < 0 || last < 0) {
      throw new WeekTimesError(`"${part}" in "${text}" is no day of the week`, REMEDY);
    }
    for (let day = first; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === last) break;
    }
  }
  return days;
}

/** `Mon`, `monday`; -1 for what is none. */
function dayOf(name: string): number {
  return name.length < 3 ? -1 : DAYS.findIndex((day) => day.startsWith(name.toLowerCase()));
}

/** A day as `except` names it: the number of days since 1970. @throws {WeekTimesError} */
export function parseDate(text: string): number {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  // A Date takes the 31st of June as the first of July.
  if (!Number.isNaN(at) && new Date(at).toISOString().startsWith(text)) return at / DAY_MS;
  throw new WeekTimesError(`"${text}" is no date`, 'e.g. 2026-12-24');
}

/** Zone `device` is that of the tag `tz` of the device. @throws {WeekTimesError} */
export function verifyZone(zone: string): void {
  if (zone === 'device' || isZone(zone)) return;
  throw new WeekTimesError(`there is no time zone "${zone}"`, 'name one as in the IANA database, e.g. Europe/Oslo');
}

const checked = <T>(parse: (text: string) => T) =>
  z.string().superRefine((text, context) => {
    try {
      parse(text);
    } catch (error) {
      if (!(error instanceof WeekTimesError)) throw error;
      context.addIssue({ code: 'custom', message: `${error.message}; ${error.remedy}` });
    }
  });

/** `WeekTimes` as people write them: one span alone needs no list, and the zone is that of the device when none is named. */
export const weekTimesSchema = strict(
  {
    zone: checked(verifyZone).default('device'),
    times: z.preprocess(listed, z.array(checked(parseWeekSpan), `times are needed, ${REMEDY}`).min(1).max(TIMES_MAX)),
    except: z.preprocess(listed, z.array(checked(parseDate)).max(EXCEPT_MAX)).default([]),
  },
  { example: '{ zone: Europe/Oslo, times: "Mon-Fri 08:00-17:00" }' },
);

function listed(value: unknown): unknown {
  return typeof value === 'string' ? [value] : value;
}

interface Parsed {
  spans: WeekSpan[];
  /** Days since 1970. */
  except: ReadonlySet<number>;
  /** The same, rising. */
  exceptInOrder: readonly number[];
  /** Minutes of a day at which something may change, rising, without midnight, which always is one. */
  edges: readonly number[];
}

/** By the object: a rule has the same one for as long as it lives. */
const PARSED = new WeakMap<WeekTimes, Parsed>();

function parsedOf(times: WeekTimes): Parsed {
  const known = PARSED.get(times);
  if (known !== undefined) return known;
  const spans = times.times.map(parseWeekSpan);
  const exceptInOrder = times.except.map(parseDate).sort((a, b) => a - b);
  const edges = [...new Set(spans.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b);
  const parsed = { spans, except: new Set(exceptInOrder), exceptInOrder, edges };
  PARSED.set(times, parsed);
  return parsed;
}

/** What stands for zone `device`: the tag `tz`, which may say anything; without a zone in it, UTC. */
function zoneOf(times: WeekTimes, deviceZone: string | undefined): string {
  if (times.zone !== 'device') return times.zone;
  return deviceZone !== undefined && isZone(deviceZone) ? deviceZone : 'UTC';
}

/**
 * Whether `at` (ms since epoch) is within any of them; never within none at all. They must have been parsed once without an
 * error, and must not be changed afterwards.
 */
export function inTimes(times: readonly WeekTimes[], at: number, deviceZone?: string): boolean {
  return times.some((each) => isWithin(each, at, zoneOf(each, deviceZone)));
}

function isWithin(times: WeekTimes, at: number, zone: string): boolean {
  const { spans, except } = parsedOf(times);
  const wall = at + offsetAt(zone, at);
  const day = Math.floor(wall / DAY_MS);
  const minute = (wall - day * DAY_MS) / MINUTE_MS;
  const begins = ({ days }: WeekSpan, on: number) => days.has((((on + 4) % 7) + 7) % 7) && !except.has(on);
  return spans.some((span) => {
    if (span.from < span.to) return minute >= span.from && minute < span.to && begins(span, day);
    return minute >= span.from ? begins(span, day) : minute < span.to && begins(span, day - 1);
  });
}

/** The first time after `at` at which `inTimes` is no longer what it is at `at`; infinity where it never changes. */
export function changesAt(times: readonly WeekTimes[], at: number, deviceZone?: string): number {
  if (times.length === 0 || Math.abs(at) > TIME_MS_MAX) return Number.POSITIVE_INFINITY;
  const zoned = times.map((each) => ({ parsed: parsedOf(each), zone: zoneOf(each, deviceZone) }));
  const now = inTimes(times, at, deviceZone);
  let next = at;
  for (;;) {
    next = Math.min(...zoned.map(({ parsed, zone }) => nextEdge(parsed, next, zone)));
    if (inTimes(times, next, deviceZone) !== now) return next;
    if (next - at < UNCHANGED_MS_MAX) continue;
    const exception = Math.min(...zoned.map(({ parsed }) => nextException(parsed, next)));
    if (exception === Number.POSITIVE_INFINITY) return exception;
    next = Math.max(next, exception);
  }
}

/** When something may change next: at an edge of a span, at midnight, or when the clocks are set. */
function nextEdge({ edges }: Parsed, at: number, zone: string): number {
  const wall = at + offsetAt(zone, at);
  const midnight = Math.floor(wall / DAY_MS) * DAY_MS;
  const minute = (wall - midnight) / MINUTE_MS;
  const edge = edges.find((each) => each > minute) ?? DAY_MINUTES;
  return Math.min(at + midnight + edge * MINUTE_MS - wall, offsetHoldsUntil(zone, at));
}

/** From when on, not before `at` but when it has begun, the next day that is left out may matter somewhere in the world. */
function nextException({ exceptInOrder }: Parsed, at: number): number {
  // A span that begins on it may last until the end of the day after it, and days begin up to a day before those in UTC.
  const day = exceptInOrder.find((each) => (each + 3) * DAY_MS > at);
  return day === undefined ? Number.POSITIVE_INFINITY : (day - 2) * DAY_MS;
}
