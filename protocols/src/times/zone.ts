/**
 * Wall clocks of the world: how far ahead of UTC they are, and when they are set. Everything is asked of `Intl` once for
 * each day in UTC and kept, for one question of that kind costs more than all the rest of a schedule.
 */

export const DAY_MS = 86_400_000;
/** What a `Date` can hold; beyond it clocks are no longer asked for. */
export const TIME_MS_MAX = 8.64e15 - 2 * DAY_MS;
/** The world has some 450 zones, twice that with other names for them; tags may say what they like. */
const ZONES_MAX = 1_000;
/** Eleven years; a kilobyte holds some thirty days. */
const DAYS_KEPT_MAX = 4_096;
/** Clocks are set at a full second everywhere. */
const STEP_MS = 1_000;

/** Within one day in UTC; no clock was ever set twice in one. */
interface Day {
  /** ms ahead of UTC. */
  before: number;
  after: number;
  /** From when on `after` holds, ms since epoch. */
  setAt: number;
}

interface Zone {
  format: Intl.DateTimeFormat;
  days: Map<number, Day>;
}

/** Undefined: there is none of that name. */
const ZONES = new Map<string, Zone | undefined>();

export function isZone(name: string): boolean {
  return zoneOf(name) !== undefined;
}

/** How far wall clocks in `zone`, which must be one, are ahead of UTC at `at`; ms. */
export function offsetAt(zone: string, at: number): number {
  const day = dayOf(zone, at);
  return at < day.setAt ? day.before : day.after;
}

/** When clocks in `zone` are set next after `at`, if that is on the same day in UTC; else the end of that day. */
export function offsetHoldsUntil(zone: string, at: number): number {
  const { before, after, setAt } = dayOf(zone, at);
  return before !== after && at < setAt ? setAt : (Math.floor(at / DAY_MS) + 1) * DAY_MS;
}

function dayOf(name: string, at: number): Day {
  const zone = zoneOf(name);
  if (zone === undefined) throw new RangeError(`there is no time zone "${name}"`);
  const number = Math.floor(Math.min(Math.max(at, -TIME_MS_MAX), TIME_MS_MAX) / DAY_MS);
  const known = zone.days.get(number);
  if (known !== undefined) return known;
  const day = askDay(zone.format, number * DAY_MS);
  if (zone.days.size >= DAYS_KEPT_MAX) zone.days.clear();
  zone.days.set(number, day);
  return day;
}

function askDay(format: Intl.DateTimeFormat, start: number): Day {
  const before = askOffset(format, start);
  const after = askOffset(format, start + DAY_MS);
  if (before === after) return { before, after, setAt: start };
  let [low, high] = [start, start + DAY_MS];
  while (high - low > STEP_MS) {
    const middle = low + Math.floor((high - low) / 2 / STEP_MS) * STEP_MS;
    if (askOffset(format, middle) === before) low = middle;
    else high = middle;
  }
  return { before, after, setAt: high };
}

function askOffset(format: Intl.DateTimeFormat, at: number): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(at)) parts[type] = Number(value);
  const wall = Date.UTC(parts.year!, parts.month! - 1, parts.day!, parts.hour!, parts.minute!, parts.second!);
  return wall - at;
}

function zoneOf(name: string): Zone | undefined {
  const known = ZONES.get(name);
  if (known !== undefined || ZONES.has(name)) return known;
  const format = formatOf(name);
  if (ZONES.size >= ZONES_MAX) ZONES.clear();
  const zone = format && { format, days: new Map<number, Day>() };
  ZONES.set(name, zone);
  return zone;
}

function formatOf(timeZone: string): Intl.DateTimeFormat | undefined {
  const digits = '2-digit';
  try {
    return new Intl.DateTimeFormat('en-GB', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: digits,
      day: digits,
      hour: digits,
      minute: digits,
      second: digits,
    });
  } catch {
    return undefined;
  }
}
