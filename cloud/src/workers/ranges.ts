/**
 * Which items of a lane have been received: disjoint, sorted ranges, as `[from, to)` pairs.
 *
 *     received   0 … 99   120 … 149          [[0, 100], [120, 150]]
 *     a batch    90 … 129                    new in it: 100 … 119
 *     received   0 … 149                     [[0, 150]]
 *
 * A hole is what the device dropped at a limit, or what is still on its way.
 */
export type Range = readonly [from: number, to: number];

export interface Ranges {
  readonly list: readonly Range[];
  /** Items in holes that were closed to keep the list short: given up as lost. */
  readonly forgotten: number;
}

/** A device sends a lane in order with a short window; this many holes are many outages with losses. */
export const RANGES_MAX = 512;

export const NO_RANGES: Ranges = { list: [], forgotten: 0 };

/** @returns the parts of `from` (inclusive) to `to` (exclusive) that were not received before, in order. */
export function missingOf(ranges: Ranges, from: number, to: number): Range[] {
  const missing: Range[] = [];
  let at = from;
  for (let i = firstEndingAfter(ranges.list, from); i < ranges.list.length; i++) {
    const [start, end] = ranges.list[i]!;
    if (start >= to) break;
    if (start > at) missing.push([at, start]);
    at = Math.max(at, end);
  }
  if (at < to) missing.push([at, to]);
  return missing;
}

/**
 * Adds `from` (inclusive) to `to` (exclusive). Over `limit` ranges the oldest hole is closed: an item of it that
 * should come after all is then taken for a duplicate, so its size is counted in `forgotten`.
 */
export function addRange(ranges: Ranges, from: number, to: number, limit = RANGES_MAX): Ranges {
  if (from >= to) return ranges;
  const { list } = ranges;
  // Ranges that merely touch are joined too.
  const first = firstEndingAfter(list, from - 1);
  let last = first;
  let start = from;
  let end = to;
  for (; last < list.length && list[last]![0] <= to; last++) {
    start = Math.min(start, list[last]![0]);
    end = Math.max(end, list[last]![1]);
  }
  const joined: Range[] = [...list.slice(0, first), [start, end], ...list.slice(last)];
  let { forgotten } = ranges;
  while (joined.length > limit) {
    forgotten += joined[1]![0] - joined[0]![1];
    joined.splice(0, 2, [joined[0]![0], joined[1]![1]]);
  }
  return { list: joined, forgotten };
}

/** Items received. */
export function countOf(ranges: Ranges): number {
  return ranges.list.reduce((sum, [from, to]) => sum + to - from, 0) - ranges.forgotten;
}

/** Index of the first range whose end is after `at`. */
function firstEndingAfter(list: readonly Range[], at: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]![1] > at) high = middle;
    else low = middle + 1;
  }
  return low;
}
