/** Measures as arithmetic over a summary of what is in their window. */
import type { Measure } from '@weir/protocols';
import type { Summary } from './summary.ts';

export type Windowed = Exclude<Measure, { kind: 'last' }>;

/** Undefined: nothing is known of an empty window, and of a change only what two readings say. */
export function measured(
  measure: Exclude<Windowed, { kind: 'quantile' }>,
  summary: Summary | undefined,
): number | undefined {
  if (summary === undefined) return measure.kind === 'count' ? 0 : undefined;
  const { count, sum, mean, squares, min, max, first, last, firstTs, lastTs } = summary;
  switch (measure.kind) {
    case 'avg':
      return mean;
    case 'min':
      return min;
    case 'max':
      return max;
    case 'sum':
      return sum;
    case 'count':
      return count;
    case 'stddev':
      return Math.sqrt(Math.max(0, squares) / count);
    case 'change':
      return count < 2 ? undefined : last - first;
    case 'change-percent':
      return count < 2 || first === 0 ? undefined : ((last - first) / Math.abs(first)) * 100;
    case 'rate':
      return lastTs === firstTs ? undefined : ((last - first) / (lastTs - firstTs)) * measure.perMs;
  }
}

/** Between two samples where it falls between them. @param sorted at least one */
export function quantileOf(sorted: ArrayLike<number>, q: number): number {
  const rank = q * (sorted.length - 1);
  const below = Math.floor(rank);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (rank - below);
}

/** A difference needs both its ends: the sample with which such a window begins belongs to it. */
export function isDifference({ kind }: Windowed): boolean {
  return kind === 'change' || kind === 'change-percent' || kind === 'rate';
}
