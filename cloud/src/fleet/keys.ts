/**
 * Where the fleet keeps its items.
 *
 *     table      partition   sort
 *     token      all         <sha256 of the secret>
 *     device     <id>        record | presence | refused | cloud
 *     gatherer   <id>        refused | cloud
 *     group      <name>      record | device/<id> | deployment/<name> | deployment-rollout/<name> |
 *                            admitted/<name>/<device> | rollout-ended/<name>/<order>
 *     bundle     <sha256>    record | part/<n>
 *     fleet      order       order                    counts settings of deployments
 *     fleet      membership  selectors                of all groups, see selectors.ts
 *     fleet      certificates  removed                 of devices that were removed, see forgotten.ts
 */
import { isGatherer } from '@weir/protocols';
import type { Item, ItemKey, Query, Store } from '../store/store.ts';

export const tokenKey = (hash: string): ItemKey => ({ table: 'token', partition: 'all', sort: hash });

export const GATHERER_TABLE = 'gatherer';

export type DevicePart = 'record' | 'presence' | 'refused' | 'cloud';
export const deviceKey = (device: string, part: DevicePart): ItemKey => ({
  table: isGatherer(device) ? GATHERER_TABLE : 'device',
  partition: device,
  sort: part,
});

export const groupKey = (group: string): ItemKey => ({ table: 'group', partition: group, sort: 'record' });
export const memberKey = (group: string, device: string): ItemKey => ({
  table: 'group',
  partition: group,
  sort: `device/${device}`,
});
export const deploymentKey = (group: string, name: string): ItemKey => ({
  table: 'group',
  partition: group,
  sort: `deployment/${name}`,
});
export const rolloutKey = (group: string, name: string): ItemKey => ({
  table: 'group',
  partition: group,
  sort: `deployment-rollout/${name}`,
});
export const admittedKey = (group: string, name: string, device: string): ItemKey => ({
  table: 'group',
  partition: group,
  sort: `admitted/${name}/${device}`,
});
export const endedKey = (group: string, name: string, order: number): ItemKey => ({
  table: 'group',
  partition: group,
  sort: `rollout-ended/${name}/${String(order).padStart(12, '0')}`,
});

export const bundleKey = (hash: string, part: 'record' | number): ItemKey => ({
  table: 'bundle',
  partition: hash,
  sort: part === 'record' ? part : `part/${part}`,
});

export const ORDER_KEY: ItemKey = { table: 'fleet', partition: 'order', sort: 'order' };

export const SELECTORS_KEY: ItemKey = { table: 'fleet', partition: 'membership', sort: 'selectors' };

export const REMOVED_KEY: ItemKey = { table: 'fleet', partition: 'certificates', sort: 'removed' };

/** The range of sort keys that begin with `prefix`; prefixes end with `/`, and `0` follows it. */
export function prefixRange(prefix: string): { from: string; to: string } {
  return { from: prefix, to: `${prefix.slice(0, -1)}0` };
}

/** Every item of a query, page by page. */
export async function* itemsOf(store: Pick<Store, 'query'>, query: Query): AsyncGenerator<Item> {
  let after = query.after;
  do {
    const page = await store.query(after === undefined ? query : { ...query, after });
    yield* page.items;
    after = page.next;
  } while (after !== undefined);
}
