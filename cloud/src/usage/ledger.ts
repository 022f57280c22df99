/**
 * What functions used, over the whole fleet: sums by function, version, where it ran and day of UTC.
 *
 *     table `usage` · partition <log partition, 5 digits> · sort <day>/<where> · json: { "<function>@<version>": sum, … }
 *
 * A partition of the log has items of its own: whoever writes one holds the fence of that partition, so a sum that was
 * read, added to and written with what it sums up is exact, and no two workers want the same item.
 */
import { addUsage, NO_USAGE, type Usage } from '@weir/runtime';
import type { Where } from '../fleet/fleet.ts';
import { itemsOf } from '../fleet/keys.ts';
import type { Change, ItemKey, Store } from '../store/store.ts';

/** Usage from one time to another, ms since epoch. */
export interface UsageSum extends Usage {
  /** Limit of the function. */
  memoryMb: number;
  from: number;
  to: number;
}

export interface UsageEntry extends UsageSum {
  function: string;
  version: string;
}

export interface UsageRow extends UsageEntry {
  where: Where;
}

type UsageItem = Record<string, UsageSum>;

const TABLE = 'usage';
/** Of one item: at its longest an entry has 700 bytes, so they fit into what the store takes. */
export const ENTRIES_MAX = 500;
/** What is over it is summed up under this name, which no function can have. */
export const OTHERS = '*';

/** In UTC, as `2026-11-21`. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 'yyyy-mm-dd'.length);
}

/**
 * Changes that add entries to the sums; to be committed under the fence of the partition, in the write that notes
 * what they came from as taken. One for each day that the entries are of.
 *
 * @param keepMs an entry that is older, or ahead of `now`, has the time of a clock that is wrong: it counts as of now
 */
export async function usageChanges(
  store: Store,
  { partition, where }: { partition: number; where: Where },
  entries: readonly UsageEntry[],
  { now, keepMs }: { now: number; keepMs: number },
): Promise<Change[]> {
  const placed = entries.map((entry) => {
    const isSound = entry.to <= now && entry.to > now - keepMs;
    const to = isSound ? entry.to : now;
    return { ...entry, to, from: isSound && entry.from > now - keepMs ? Math.min(entry.from, to) : to };
  });
  const changes: Change[] = [];
  for (const [day, some] of Map.groupBy(placed, ({ to }) => dayOf(to))) {
    const put = keyOf(partition, day, where);
    const sums = { ...((await store.get(put))?.json as UsageItem | undefined) };
    for (const { function: name, version, ...sum } of some) {
      const known = `${name}@${version}`;
      const key = known in sums || Object.keys(sums).length < ENTRIES_MAX ? known : `${OTHERS}@${OTHERS}`;
      sums[key] = addSums(sums[key], sum);
    }
    changes.push({ put, json: sums });
  }
  return changes;
}

export interface UsageQuery {
  /** First and last day, both inclusive, as {@link dayOf} has them. */
  from: string;
  to: string;
  function?: string;
}

/** One row for each function, version and place, in this order. */
export async function readUsage(store: Store, { from, to, function: wanted }: UsageQuery): Promise<UsageRow[]> {
  const rows = new Map<string, UsageRow>();
  for await (const partition of partitionsOf(store)) {
    // Whatever follows a day begins with it and a slash; `0` is behind the slash.
    for await (const { sort, json } of itemsOf(store, { table: TABLE, partition, from, to: `${to}0` })) {
      const where = sort.slice(sort.indexOf('/') + 1) as Where;
      for (const [key, sum] of Object.entries(json as UsageItem)) {
        const at = key.indexOf('@');
        const name = key.slice(0, at);
        if (wanted !== undefined && name !== wanted) continue;
        const row = `${key}/${where}`;
        rows.set(row, { function: name, version: key.slice(at + 1), where, ...addSums(rows.get(row), sum) });
      }
    }
  }
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

/** So many go in one write. */
const FORGOTTEN_PER_WRITE = 50;

/** Forgets the sums of days before this one. @returns of how many items, after each write */
export async function* forgetUsage(store: Store, before: string): AsyncGenerator<number> {
  for await (const partition of partitionsOf(store)) {
    for (;;) {
      const { items } = await store.query({ table: TABLE, partition, to: before, limit: FORGOTTEN_PER_WRITE });
      if (items.length === 0) break;
      await store.write(items.map(({ sort }) => ({ remove: { table: TABLE, partition, sort } })));
      yield items.length;
    }
  }
}

async function* partitionsOf(store: Store): AsyncGenerator<string> {
  let after: string | undefined;
  do {
    const page = await store.partitions(TABLE, after === undefined ? {} : { after });
    yield* page.names;
    after = page.next;
  } while (after !== undefined);
}

function keyOf(partition: number, day: string, where: Where): ItemKey {
  return { table: TABLE, partition: `${partition}`.padStart(5, '0'), sort: `${day}/${where}` };
}

function addSums(before: UsageSum | undefined, more: UsageSum): UsageSum {
  return {
    ...addUsage(before ?? NO_USAGE, more),
    memoryMb: Math.max(before?.memoryMb ?? 0, more.memoryMb),
    from: Math.min(before?.from ?? more.from, more.from),
    to: Math.max(before?.to ?? more.to, more.to),
  };
}
