/**
 * Where secrets are kept.
 *
 *     table      partition   sort
 *     group      <group>     secret/<name>    json: version, setAt, sealed; goes with its group
 *     fleet      secrets     order            counts all settings: versions never come again, also of one that was removed
 */
import { SECRETS_PER_GROUP_MAX } from '@weir/protocols';
import { FleetError } from '../fleet/error.ts';
import { requireGroup } from '../fleet/groups.ts';
import { itemsOf, prefixRange } from '../fleet/keys.ts';
import { untilWritten } from '../fleet/turns.ts';
import type { ItemKey, Store } from '../store/store.ts';

export interface StoredSecret {
  group: string;
  name: string;
  /** Counts the settings of all secrets. */
  version: number;
  /** ms since epoch */
  setAt: number;
  sealed: string;
}

const ORDER_KEY: ItemKey = { table: 'fleet', partition: 'secrets', sort: 'order' };

const PREFIX = 'secret/';
const secretKey = (group: string, name: string): ItemKey => ({
  table: 'group',
  partition: group,
  sort: `${PREFIX}${name}`,
});

/**
 * @param seal is told the version
 * @throws {FleetError} `group-unknown`, `limit-exceeded`
 */
export function putSecret(
  store: Store,
  { group, name }: { group: string; name: string },
  now: number,
  seal: (version: number) => string,
): Promise<StoredSecret> {
  return untilWritten(async () => {
    await requireGroup(store, group);
    const key = secretKey(group, name);
    const [existing, counter] = await Promise.all([store.get(key), store.get(ORDER_KEY)]);
    if (existing === undefined) await requireRoom(store, group);
    const version = (counter?.version ?? 0) + 1;
    const secret: StoredSecret = { group, name, version, setAt: now, sealed: seal(version) };
    await store.write([
      { put: key, json: secret, ifVersion: existing?.version ?? 0 },
      { put: ORDER_KEY, json: {}, ifVersion: counter?.version ?? 0 },
    ]);
    return secret;
  });
}

/** @throws {FleetError} `group-unknown`, `secret-unknown` */
export async function dropSecret(store: Store, group: string, name: string): Promise<void> {
  await requireGroup(store, group);
  if ((await store.get(secretKey(group, name))) === undefined) {
    throw new FleetError(
      'secret-unknown',
      `group "${group}" has no secret "${name}"`,
      `see which it has: weir secret list ${group}`,
    );
  }
  await store.write([{ remove: secretKey(group, name) }]);
}

/** In order of name. */
export async function secretsOf(store: Store, group: string): Promise<StoredSecret[]> {
  const found: StoredSecret[] = [];
  const query = { table: 'group', partition: group, ...prefixRange(PREFIX) };
  for await (const { json } of itemsOf(store, query)) found.push(json as StoredSecret);
  return found;
}

async function requireRoom(store: Store, group: string): Promise<void> {
  const { length } = await secretsOf(store, group);
  if (length < SECRETS_PER_GROUP_MAX) return;
  throw new FleetError(
    'limit-exceeded',
    `group "${group}" has ${length} secrets, which is the limit`,
    `remove one first: weir secret remove ${group} NAME`,
  );
}
