/**
 * Shadows in the store.
 *
 *     table `shadow` · partition device · sort the shadow's name, `.` for the classic one · json: ShadowDocument, or
 *                                         ShadowTombstone for two days after it was deleted
 */
import { isOutlived, isTombstone, type KeptShadow } from '@weir/protocols';
import type { Change, ItemKey, Page, Query, Store } from '../store/store.ts';

/** A shadow, and the version that its item has; 0: there is none. */
export interface StoredShadow {
  kept: KeptShadow | undefined;
  itemVersion: number;
}

const TABLE = 'shadow';
/** No named shadow can have this name. */
const CLASSIC = '.';

export async function readShadow(store: Store, device: string, name: string | undefined): Promise<StoredShadow> {
  const item = await store.get(keyOf(device, name));
  return { kept: item?.json as KeptShadow | undefined, itemVersion: item?.version ?? 0 };
}

export function shadowChange(device: string, name: string | undefined, kept: KeptShadow, ifVersion: number): Change {
  return { put: keyOf(device, name), json: kept, ifVersion };
}

/** Names of the named shadows of a device that are there, in order, so many at most after the one given. */
export async function shadowNames(
  store: Store,
  device: string,
  { limit, after }: { limit: number; after?: string | undefined },
): Promise<{ names: string[]; next?: string }> {
  const names: string[] = [];
  let from = after;
  do {
    const page = await store.query(pageOf(device, from));
    for (const { sort, json } of page.items) {
      if (sort === CLASSIC || isTombstone(json as KeptShadow)) continue;
      if (names.length === limit) return { names, next: names.at(-1)! };
      names.push(sort);
    }
    from = page.next;
  } while (from !== undefined);
  return { names };
}

/** How many items the named shadows of a device have, tombstones too, counted no further than `max`. */
export async function countShadows(store: Store, device: string, max: number): Promise<number> {
  let count = 0;
  let after: string | undefined;
  do {
    const page: Page = await store.query(pageOf(device, after));
    count += page.items.filter(({ sort }) => sort !== CLASSIC).length;
    after = page.next;
  } while (after !== undefined && count < max);
  return count;
}

/** Removes what is of no use any more: with each shadow that is deleted, so that it does not pile up. */
export async function removeOutlived(store: Store, device: string, nowSeconds: number): Promise<void> {
  let after: string | undefined;
  do {
    const page = await store.query(pageOf(device, after));
    const outlived = page.items.filter(({ json }) => {
      const kept = json as KeptShadow;
      return isTombstone(kept) && isOutlived(kept, nowSeconds);
    });
    // One that has been made again meanwhile is let be.
    await store.write(
      outlived.map(({ table, partition, sort, version }) => ({
        remove: { table, partition, sort },
        ifVersion: version,
      })),
    );
    after = page.next;
  } while (after !== undefined);
}

function pageOf(device: string, after: string | undefined): Query {
  return { table: TABLE, partition: device, ...(after !== undefined && { after }) };
}

function keyOf(device: string, name: string | undefined): ItemKey {
  return { table: TABLE, partition: device, sort: name ?? CLASSIC };
}
