/**
 * A set of numbers of items: disjoint, sorted ranges, from (inclusive) to (exclusive).
 *
 *     received   0 … 99   120 … 149          [[0, 100], [120, 150, since]]
 *     a batch    90 … 129                    new in it: 100 … 119
 *     received   0 … 149                     [[0, 150]]
 *
 * A hole is what the device gave up, or what is still on its way. `since` says when the one before a range was noticed.
 */
export type Range = readonly [from: number, to: number];

/** @property since when the hole before it was noticed, ms since epoch; the first of a list has none before it */
export type Stretch = readonly [from: number, to: number, since?: number];

export interface Ranges {
  readonly list: readonly Stretch[];
  /** Items in holes that were closed to keep the list short: given up as lost. */
  readonly forgotten: number;
}

export interface AddOptions {
  /** Now, ms since epoch. */
  at?: number;
  limit?: number;
  /** Whether what is in a hole will never come, so that it may be closed before those of which this is not known. */
  isSettled?: (hole: Range) => boolean;
  /** A hole is closed. */
  onClose?: (hole: Range) => void;
}

/** A device sends a lane in order with a short window; this many holes of one run are many outages with losses. */
export const RANGES_MAX = 512;

export const NO_RANGES: Ranges = { list: [], forgotten: 0 };

/** @returns the parts of `from` (inclusive) to `to` (exclusive) that are not in the set, in order. */
export function missingOf({ list }: Pick<Ranges, 'list'>, from: number, to: number): Range[] {
  const missing: Range[] = [];
  let at = from;
  for (let i = firstEndingAfter(list, from); i < list.length; i++) {
    const [start, end] = list[i]!;
    if (start >= to) break;
    if (start > at) missing.push([at, start]);
    at = Math.max(at, end);
  }
  if (at < to) missing.push([at, to]);
  return missing;
}

/**
 * Adds `from` (inclusive) to `to` (exclusive). Over `limit` ranges a hole is closed, the oldest of the settled ones or else
 * the oldest: an item of it that should come after all is then taken for a duplicate, so its size is counted in `forgotten`.
 */
export function addRange(ranges: Ranges, from: number, to: number, options: AddOptions = {}): Ranges {
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
  const after = list.slice(last);
  // What comes before all others leaves a hole where there was none.
  if (first === 0 && last === 0 && after.length > 0) after[0] = stretch(after[0]![0], after[0]![1], options.at);
  const since = first === 0 ? undefined : first < list.length ? list[first]![2] : options.at;
  const joined: Stretch[] = [...list.slice(0, first), stretch(start, end, since), ...after];
  let { forgotten } = ranges;
  while (joined.length > (options.limit ?? RANGES_MAX)) forgotten += closeHole(joined, options);
  return { list: joined, forgotten };
}

/** Items in the set. */
export function countOf({ list, forgotten }: Ranges): number {
  return list.reduce((sum, [from, to]) => sum + to - from, 0) - forgotten;
}

/** From the lowest to the highest; undefined: it is empty. */
export function hullOf({ list }: Pick<Ranges, 'list'>): Range | undefined {
  return list.length === 0 ? undefined : [list[0]![0], list.at(-1)![1]];
}

/** What of the set is below a number. */
export function below(ranges: Ranges, to: number): Ranges {
  const list = ranges.list
    .filter(([from]) => from < to)
    .map(([from, end, since]) => stretch(from, Math.min(end, to), since));
  return { ...ranges, list };
}

export function lengthOf([from, to]: Range | Stretch): number {
  return to - from;
}

/** @returns the size of the hole */
function closeHole(list: Stretch[], { isSettled = () => false, onClose }: AddOptions): number {
  const holeBefore = (at: number): Range => [list[at - 1]![1], list[at]![0]];
  let at = 1;
  while (at < list.length && !isSettled(holeBefore(at))) at++;
  if (at === list.length) at = 1;
  const hole = holeBefore(at);
  const [from, , since] = list[at - 1]!;
  list.splice(at - 1, 2, stretch(from, list[at]![1], since));
  onClose?.(hole);
  return lengthOf(hole);
}

function stretch(from: number, to: number, since: number | undefined): Stretch {
  return since === undefined ? [from, to] : [from, to, since];
}

/** Index of the first range whose end is after `at`. */
function firstEndingAfter(list: readonly Stretch[], at: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]![1] > at) high = middle;
    else low = middle + 1;
  }
  return low;
}
