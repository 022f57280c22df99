/** Sets right what bears a time of a clock that was not right, and marks what cannot be. Pure. */
import {
  AHEAD_MS_MAX,
  type AlertTransition,
  type Columns,
  isLabel,
  type Report,
  SERIES_MAX,
  type Series,
} from '@weir/protocols';

export interface Correction {
  /** ms to be added. */
  shift: number;
  /** The time is still not known: whoever gets it is told. */
  isUncertain: boolean;
}

/** Which times are this clock's: those of readings by their places, all others by what they say. */
export interface StampedBy {
  /** One byte for each reading, or one for all; 0: its sensor said when. Undefined: by what they say. */
  stamped?: Uint8Array | undefined;
  /** When the clock began to go by that, and when this was made, by itself. */
  from: number;
  until: number;
}

/** Quality of readings of which it is not known when they were taken. */
export const CLOCK_QUALITY = 'clock';

export function correctColumns(columns: Columns, by: StampedBy, correction: Correction): Columns {
  const stamped = stampedIn(columns, by);
  const isStamped = (i: number) => stamped[i] === 1;
  const ts = columns.ts.slice();
  for (let i = 0; i < ts.length; i++) if (isStamped(i)) ts[i] = shifted(ts[i]!, correction);
  const moved = { ...columns, ts };
  return correction.isUncertain ? marked(moved, isStamped) : moved;
}

/** A group of readings that arrived together. */
export interface Group {
  columns: Columns;
  /** ms since epoch */
  receivedAt: number;
}

/**
 * As it is known now, by what was noted when it arrived: which times are this clock's, and the monotonic time with the
 * offset of then. As long as nothing is to be set right it arrived when it was said to have, to the millisecond: the step
 * that takes it in from memory and the one that takes it from the disk must be the same.
 */
export function correctGroup(
  group: Group,
  noted: { stamped: Uint8Array | null | undefined; monotonic: number | null; offset: number },
  correction: Correction | undefined,
): Group {
  const { stamped, monotonic, offset } = noted;
  if (correction === undefined || stamped == null || monotonic === null) return group;
  const columns = correctColumns(group.columns, { stamped, from: 0, until: 0 }, correction);
  return { columns, receivedAt: monotonic + offset + correction.shift };
}

export function correctAlerts(
  alerts: readonly AlertTransition[],
  by: StampedBy,
  correction: Correction,
): AlertTransition[] {
  const { isUncertain } = correction;
  const set = (ts: number) => (isWithin(ts, by) ? shifted(ts, correction) : ts);
  return alerts.map((alert) => {
    const corrected = { ...alert, ts: set(alert.ts), startedAt: set(alert.startedAt) };
    return isUncertain && isWithin(alert.ts, by) ? { ...corrected, quality: CLOCK_QUALITY } : corrected;
  });
}

const TIMES_OF_REPORTS = ['ts', 'from', 'to'];

export function correctReport(report: Report, by: StampedBy, correction: Correction): Report {
  const entries = Object.entries(report).map(([key, value]) =>
    TIMES_OF_REPORTS.includes(key) && typeof value === 'number' && isWithin(value, by)
      ? [key, shifted(value, correction)]
      : [key, value],
  );
  return Object.fromEntries(entries) as Report;
}

/** For each reading, 1 where its time is this clock's. */
export function stampedIn({ ts }: Columns, by: StampedBy): Uint8Array {
  const { stamped } = by;
  if (stamped === undefined) return Uint8Array.from(ts, (each) => +isWithin(each, by));
  return stamped.length === ts.length ? stamped : new Uint8Array(ts.length).fill(stamped[0]!);
}

/** Functions may say a little more than now. */
function isWithin(ts: number, { from, until }: StampedBy): boolean {
  return ts >= from && ts <= until + AHEAD_MS_MAX;
}

function shifted(ts: number, { shift }: Correction): number {
  return Math.max(0, ts + shift);
}

/** A series has one entry more for its marked readings. */
function marked(columns: Columns, isStamped: (i: number) => boolean): Columns {
  const series: Series[] = [...columns.series];
  const index = columns.index.slice();
  const twins = new Map<number, number>();
  for (let i = 0; i < index.length; i++) {
    if (!isStamped(i)) continue;
    const at = index[i]!;
    let twin = twins.get(at);
    if (twin === undefined) {
      if (series.length >= SERIES_MAX) return columns;
      twin = series.push(markedSeries(columns.series[at]!)) - 1;
      twins.set(at, twin);
    }
    index[i] = twin;
  }
  return withoutUnused({ ...columns, series, index });
}

function markedSeries(series: Series): Series {
  const both = `${series.quality}+${CLOCK_QUALITY}`;
  return { ...series, quality: series.quality !== undefined && isLabel(both) ? both : CLOCK_QUALITY };
}

function withoutUnused(columns: Columns): Columns {
  const places = new Map<number, number>();
  const index = columns.index.map((at) => {
    const known = places.get(at);
    if (known !== undefined) return known;
    places.set(at, places.size);
    return places.size - 1;
  });
  return { ...columns, index, series: [...places.keys()].map((at) => columns.series[at]!) };
}
