/** Thins columns of readings out: which stay is decided by what was kept before them. Pure. */
import type { Columns } from '@weir/protocols';

export interface Thinned {
  columns: Columns;
  /** Where they stood. */
  places: readonly number[];
  dropped: number;
  /** Event times of the earliest and the latest reading that was left out; undefined: none was. */
  from: number | undefined;
  to: number | undefined;
}

/**
 * Keeps of each series the first reading in each interval of event time, counted from the epoch. Thinned again by the
 * same interval nothing more goes.
 *
 * @param intervalOf of a metric, in ms; undefined: all of its readings stay
 * @param before readings that were kept before these
 */
export function thinned(
  columns: Columns,
  intervalOf: (metric: string) => number | undefined,
  before: Columns | undefined,
): Thinned {
  const latest = new Map<string, number>();
  if (before !== undefined) {
    for (let i = 0; i < before.index.length; i++) {
      const { sensor, metric } = before.series[before.index[i]!]!;
      const interval = intervalOf(metric);
      if (interval !== undefined) latest.set(nameOf(sensor, metric), Math.floor(before.ts[i]! / interval));
    }
  }
  const series = columns.series.map(({ sensor, metric }) => ({
    name: nameOf(sensor, metric),
    interval: intervalOf(metric),
  }));
  return filtered(columns, (at, ts) => {
    const { name, interval } = series[at]!;
    if (interval === undefined) return true;
    const bucket = Math.floor(ts / interval);
    if (latest.get(name) === bucket) return false;
    latest.set(name, bucket);
    return true;
  });
}

/** Keeps the readings of some metrics. */
export function ofMetrics(columns: Columns, keeps: (metric: string) => boolean): Thinned {
  const kept = columns.series.map(({ metric }) => keeps(metric));
  return filtered(columns, (at) => kept[at]!);
}

/** The same readings, with dictionaries that hold what they use. */
export function everyReading(columns: Columns): Columns {
  return filtered(columns, () => true).columns;
}

/** Event times of the earliest and the latest reading behind the first `skip`; undefined: there are none. */
export function timesOf({ ts }: Columns, skip: number): { from: number; to: number } | undefined {
  if (ts.length <= skip) return undefined;
  let [from, to] = [ts[skip]!, ts[skip]!];
  for (let i = skip + 1; i < ts.length; i++) {
    from = Math.min(from, ts[i]!);
    to = Math.max(to, ts[i]!);
  }
  return { from, to };
}

function filtered(columns: Columns, keeps: (series: number, ts: number) => boolean): Thinned {
  const kept: number[] = [];
  let from: number | undefined;
  let to: number | undefined;
  for (let i = 0; i < columns.index.length; i++) {
    const ts = columns.ts[i]!;
    if (keeps(columns.index[i]!, ts)) kept.push(i);
    else {
      from = Math.min(from ?? ts, ts);
      to = Math.max(to ?? ts, ts);
    }
  }
  return { columns: picked(columns, kept), places: kept, dropped: columns.index.length - kept.length, from, to };
}

/** The readings at these places, with dictionaries that hold what they use. */
function picked({ series, index, ts, values, strings }: Columns, places: readonly number[]): Columns {
  const seriesAt = new Map<number, number>();
  const textAt = new Map<number, number>();
  const numberIn = (map: Map<number, number>, key: number) => {
    if (!map.has(key)) map.set(key, map.size);
    return map.get(key)!;
  };
  const picked: Columns = {
    series: [],
    index: new Uint16Array(places.length),
    ts: new Float64Array(places.length),
    values: new Float64Array(places.length),
    strings: [],
  };
  for (const [at, i] of places.entries()) {
    const isText = series[index[i]!]!.kind === 'string';
    picked.index[at] = numberIn(seriesAt, index[i]!);
    picked.ts[at] = ts[i]!;
    picked.values[at] = isText ? numberIn(textAt, values[i]!) : values[i]!;
  }
  picked.series = [...seriesAt.keys()].map((at) => series[at]!);
  picked.strings = [...textAt.keys()].map((at) => strings[at]!);
  return picked;
}

function nameOf(sensor: string, metric: string): string {
  return JSON.stringify([sensor, metric]);
}
