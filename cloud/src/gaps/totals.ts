/**
 * What is missing over the whole fleet, so that one look tells whether anything is.
 *
 *     table `gap-total` · partition <log partition, 5 digits> · sort `all` · json: { "<lane>": amounts, … }
 *
 * A partition of the log has an item of its own, which is written with what it sums up, under the fence of that partition.
 */
import { LANES } from '@weir/protocols';
import type { Change, ItemKey, Store } from '../store/store.ts';
import type { Sums } from './run.ts';

/** Items that are missing, by what is known of them. A closed list: also values of a label. */
export const MISSING_STATES = ['dropped', 'open', 'ended'] as const;

export interface Missing {
  /** Given up by devices, which told of it. */
  dropped: number;
  /** On their way, or lost without a word. */
  open: number;
  /** The same, of lives that are over: they will not come. */
  ended: number;
}

export interface LaneMissing extends Missing {
  lane: string;
}

type Total = Record<string, Missing>;

const TABLE = 'gap-total';
const NONE: Missing = { dropped: 0, open: 0, ended: 0 };

/**
 * What a device says is its own affair, but sums are the fleet's: one that numbers like mad must not make them inexact. A
 * thousand readings a second are fewer in thirty years.
 */
const COUNTED_MAX = 1e12;

export function missingIn(sums: Pick<Sums, 'missing' | 'dropped'>, isOver: boolean): Missing {
  const dropped = Math.min(sums.dropped, COUNTED_MAX);
  const left = Math.min(sums.missing - sums.dropped, COUNTED_MAX);
  return { dropped, open: isOver ? 0 : left, ended: isOver ? left : 0 };
}

export function difference(after: Missing, before: Missing): Missing {
  return { dropped: after.dropped - before.dropped, open: after.open - before.open, ended: after.ended - before.ended };
}

export function isNothing({ dropped, open, ended }: Missing): boolean {
  return dropped === 0 && open === 0 && ended === 0;
}

function sum(a: Missing, b: Missing): Missing {
  return { dropped: a.dropped + b.dropped, open: a.open + b.open, ended: a.ended + b.ended };
}

/** To be committed under the fence of the partition, with what changed. */
export async function totalChanges(
  store: Store,
  partition: number,
  changed: readonly LaneMissing[],
): Promise<Change[]> {
  if (changed.length === 0) return [];
  const key = keyOf(partition);
  const total: Total = { ...((await store.get(key))?.json as Total | undefined) };
  for (const { lane, ...delta } of changed) total[lane] = sum(total[lane] ?? NONE, delta);
  return [{ put: key, json: total }];
}

/** Over all partitions, for each lane. */
export async function readTotals(store: Store, partitions: number): Promise<LaneMissing[]> {
  const items = await Promise.all(Array.from({ length: partitions }, (_, at) => store.get(keyOf(at))));
  const totals = items.map((item) => (item?.json ?? {}) as Total);
  return LANES.map((lane) => ({ lane, ...totals.reduce((all, each) => sum(all, each[lane] ?? NONE), NONE) }));
}

const keyOf = (partition: number): ItemKey => ({
  table: TABLE,
  partition: `${partition}`.padStart(5, '0'),
  sort: 'all',
});
