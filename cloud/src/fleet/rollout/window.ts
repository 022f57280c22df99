/**
 * When devices may be let in, in their own time.
 *
 *     Mon-Fri 02:00-04:00      Sat,Sun 22:00-06:00      02:00-04:00
 *
 * A window that ends before it begins goes on to the next morning, and belongs to the day on which it begins.
 */
import { invalid } from './waves.ts';

interface Window {
  /** 0 is Sunday. */
  days: ReadonlySet<number>;
  /** Minutes since midnight. */
  from: number;
  to: number;
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MINUTE_MS = 60_000;
const DAY_MINUTES = 1440;
/** A window opens within a week; clocks that change may take away an hour of it. */
const LOOK_AHEAD_MINUTES = 8 * DAY_MINUTES;
const EXAMPLE = "e.g. 'Mon-Fri 02:00-04:00', or '22:00-06:00'";

/** @throws {FleetError} `rollout-invalid` */
export function parseWindow(text: string): Window {
  const match = /^(?:(\S+)\s+)?(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$/.exec(text.trim());
  if (match === null) throw invalid(`the window "${text}" is not understood`, EXAMPLE);
  const from = minutesOf(match[2]!, match[3]!, text);
  const to = minutesOf(match[4]!, match[5]!, text);
  if (from === to) throw invalid(`the window "${text}" is empty`, EXAMPLE);
  return { days: match[1] === undefined ? new Set(DAYS.keys()) : daysOf(match[1], text), from, to };
}

function minutesOf(hours: string, minutes: string, text: string): number {
  const found = Number(hours) * 60 + Number(minutes);
  if (Number(minutes) < 60 && found <= DAY_MINUTES) return found;
  throw invalid(`${hours}:${minutes} in the window "${text}" is no time of day`, EXAMPLE);
}

function daysOf(list: string, text: string): Set<number> {
  const days = new Set<number>();
  for (const part of list.split(',')) {
    const [first, last = first] = part.split('-').map((name) => DAYS.indexOf(name.slice(0, 3).toLowerCase()));
    if (first === undefined || last === undefined || first < 0 || last < 0) {
      throw invalid(`"${part}" in the window "${text}" is no day`, EXAMPLE);
    }
    for (let day = first; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === last) break;
    }
  }
  return days;
}

/** @throws {FleetError} `rollout-invalid` */
export function verifyZone(zone: string): void {
  if (isZone(zone)) return;
  throw invalid(`there is no time zone "${zone}"`, 'name one as in the IANA database, e.g. Europe/Oslo');
}

/** A tag that names none is as good as no tag. */
export function isZone(zone: string): boolean {
  return formatOf(zone) !== undefined;
}

export function isWithin(window: Window, at: number, zone: string): boolean {
  const { day, minute } = localTime(at, zone);
  const { days, from, to } = window;
  if (from < to) return days.has(day) && minute >= from && minute < to;
  return (days.has(day) && minute >= from) || (days.has((day + 6) % 7) && minute < to);
}

/** The next minute in which it is open; `at` itself when it is. */
export function opensAt(window: Window, at: number, zone: string): number {
  if (isWithin(window, at, zone)) return at;
  const next = Math.floor(at / MINUTE_MS) + 1;
  for (let ahead = 0; ahead < LOOK_AHEAD_MINUTES; ahead++) {
    // Local time is asked for as rarely as it can be: on the way to the minute it begins, nothing changes but the clocks.
    const { minute } = localTime((next + ahead) * MINUTE_MS, zone);
    if (isWithin(window, (next + ahead) * MINUTE_MS, zone)) return (next + ahead) * MINUTE_MS;
    const left = (window.from - minute + DAY_MINUTES) % DAY_MINUTES;
    // Clocks are set by an hour at most; the last hour is looked at minute by minute.
    if (left > 61) ahead += left - 61;
  }
  return (next + LOOK_AHEAD_MINUTES) * MINUTE_MS;
}

const FORMATS = new Map<string, Intl.DateTimeFormat>();
/** The world has some 400 zones; tags may say what they like. */
const FORMATS_MAX = 500;

function formatOf(zone: string): Intl.DateTimeFormat | undefined {
  const known = FORMATS.get(zone);
  if (known !== undefined) return known;
  try {
    const parts = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
    const format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, ...parts });
    if (FORMATS.size < FORMATS_MAX) FORMATS.set(zone, format);
    return format;
  } catch {
    return undefined;
  }
}

function localTime(at: number, zone: string): { day: number; minute: number } {
  const parts = Object.fromEntries(
    formatOf(zone)!
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  );
  return {
    day: DAYS.indexOf(parts.weekday!.slice(0, 3).toLowerCase()),
    minute: Number(parts.hour) * 60 + Number(parts.minute),
  };
}
