/**
 * What is kept of some samples in a row when they themselves are not: enough for every measure but quantiles.
 * Mean and squared deviations are kept in place of sums of squares (Welford; joined as by Chan et al.), so that a long row of great
 * numbers that hardly differ loses nothing.
 */
export interface Summary {
  count: number;
  sum: number;
  mean: number;
  /** Sum of squared deviations from the mean. */
  squares: number;
  min: number;
  max: number;
  firstTs: number;
  first: number;
  lastTs: number;
  last: number;
}

export function summaryOf(ts: number, value: number): Summary {
  return {
    count: 1,
    sum: value,
    mean: value,
    squares: 0,
    min: value,
    max: value,
    firstTs: ts,
    first: value,
    lastTs: ts,
    last: value,
  };
}

export function addTo(summary: Summary, ts: number, value: number): void {
  summary.count++;
  summary.sum += value;
  const off = value - summary.mean;
  summary.mean += off / summary.count;
  summary.squares += off * (value - summary.mean);
  if (value < summary.min) summary.min = value;
  if (value > summary.max) summary.max = value;
  summary.lastTs = ts;
  summary.last = value;
}

/** @param later of samples that came after those of the other */
export function join(earlier: Summary, later: Summary): Summary {
  const count = earlier.count + later.count;
  const off = later.mean - earlier.mean;
  return {
    count,
    sum: earlier.sum + later.sum,
    mean: earlier.mean + (off * later.count) / count,
    squares: earlier.squares + later.squares + (off * off * earlier.count * later.count) / count,
    min: Math.min(earlier.min, later.min),
    max: Math.max(earlier.max, later.max),
    firstTs: earlier.firstTs,
    first: earlier.first,
    lastTs: later.lastTs,
    last: later.last,
  };
}

type SummaryState = [number, number, number, number, number, number, number, number, number, number];

export function packSummary(each: Summary): SummaryState {
  const { count, sum, mean, squares, min, max, firstTs, first, lastTs, last } = each;
  return [count, sum, mean, squares, min, max, firstTs, first, lastTs - firstTs, last];
}

export function unpackSummary(state: readonly number[]): Summary {
  const [count, sum, mean, squares, min, max, firstTs, first, tookMs, last] = state as SummaryState;
  return { count, sum, mean, squares, min, max, firstTs, first, lastTs: firstTs + tookMs, last };
}
