/** What the oracle makes of samples: from all of them, each time. */
import type { Measure, Value, Window } from '@weir/protocols';

export interface Measured {
  sensor: string;
  metric: string;
  ts: number;
  value: Value;
  quality?: string;
}

export type Series = Measured[];

function good({ value, quality }: Measured): Value | undefined {
  return quality === 'bad' ? undefined : value;
}

export function numeric(value: Value | undefined): number | undefined {
  return typeof value === 'string' || value === undefined ? undefined : Number(value);
}

export function measure(measure: Measure, series: Series, now: number): Value | undefined {
  if (measure.kind === 'last') return good(series.at(-1)!);
  const { window, kind } = measure;
  const counts = kind === 'count';
  const usable = series.filter((each) => (counts ? good(each) !== undefined : numeric(good(each)) !== undefined));
  const within =
    window.mode === 'sliding' ? sliding(measure.kind, window, usable, now) : tumbling(window, usable, now, counts);
  if (within === undefined) return undefined;
  if (counts) return within.length;
  if (within.length === 0) return undefined;
  return aggregate(
    measure,
    within.map((each) => numeric(each.value)!),
    within.map(({ ts }) => ts),
  );
}

/** It is looked at with each sample, but a count at any time; and known once it was full. */
function sliding(kind: string, window: Window, series: Series, now: number): Series | undefined {
  const last = series.at(-1);
  if ('samples' in window) {
    if (kind === 'count') return series.slice(-window.samples);
    return series.length < window.samples ? undefined : series.slice(-window.samples);
  }
  if (kind === 'count') return series.filter(({ ts }) => ts > now - window.ms);
  if (last === undefined || last.ts - series[0]!.ts < window.ms) return undefined;
  const isDifference = kind === 'change' || kind === 'change-percent' || kind === 'rate';
  return series.filter(({ ts }) => ts > last.ts - window.ms || (isDifference && ts === last.ts - window.ms));
}

/** The last window that is over; one that was not seen from its beginning says nothing, but how many there were. */
function tumbling(window: Window, series: Series, now: number, counts: boolean): Series | undefined {
  if (series.length === 0) return undefined;
  if ('samples' in window) {
    const whole = Math.floor(series.length / window.samples);
    return whole === 0 ? undefined : series.slice((whole - 1) * window.samples, whole * window.samples);
  }
  const end = Math.floor(now / window.ms) * window.ms;
  const begin = end - window.ms;
  if (series[0]!.ts >= end || (!counts && series[0]!.ts > begin)) return undefined;
  return series.filter(({ ts }) => ts >= begin && ts < end);
}

function aggregate(measure: Exclude<Measure, { kind: 'last' }>, values: number[], ts: number[]): number | undefined {
  const sum = values.reduce((a, b) => a + b, 0);
  const mean = sum / values.length;
  const [first, last] = [values[0]!, values.at(-1)!];
  const sorted = [...values].sort((a, b) => a - b);
  switch (measure.kind) {
    case 'avg':
      return mean;
    case 'min':
      return sorted[0];
    case 'max':
      return sorted.at(-1);
    case 'sum':
      return sum;
    case 'count':
      return values.length;
    case 'stddev':
      return Math.sqrt(values.reduce((all, value) => all + (value - mean) ** 2, 0) / values.length);
    case 'change':
      return values.length < 2 ? undefined : last - first;
    case 'change-percent':
      return values.length < 2 || first === 0 ? undefined : ((last - first) / Math.abs(first)) * 100;
    case 'rate':
      return ts.length < 2 ? undefined : ((last - first) / (ts.at(-1)! - ts[0]!)) * measure.perMs;
    case 'quantile': {
      const rank = measure.q * (sorted.length - 1);
      const [low, high] = [sorted[Math.floor(rank)]!, sorted[Math.ceil(rank)]!];
      return low + (high - low) * (rank % 1);
    }
  }
}
