/**
 * Whether a device is there, as its functions in the cloud know it. It follows the log, so that it changes in order
 * with the readings; what the fleet shows of a connection is ahead of it.
 *
 *     table `presence` · partition device · sort `presence` · json: Presence
 */
import type { Session } from '../log/presence-record.ts';
import type { Change, ItemKey, Store } from './store.ts';

export interface Presence {
  online: boolean;
  /** Since when it is so, ms since epoch. */
  since: number;
  /** The connection by which it came last. */
  session: Session;
}

const TABLE = 'presence';

export async function readPresence(store: Store, device: string): Promise<Presence | undefined> {
  const item = await store.get(keyOf(device));
  return item?.json as Presence | undefined;
}

export function presenceChange(device: string, presence: Presence): Change {
  return { put: keyOf(device), json: presence };
}

/** Devices that are there as far as is known, and the connection of each. */
export async function* devicesOnline(store: Store): AsyncGenerator<{ device: string; session: Session }> {
  let after: string | undefined;
  do {
    const page = await store.partitions(TABLE, after === undefined ? {} : { after });
    for (const device of page.names) {
      const presence = await readPresence(store, device);
      if (presence?.online) yield { device, session: presence.session };
    }
    after = page.next;
  } while (after !== undefined);
}

function keyOf(device: string): ItemKey {
  return { table: TABLE, partition: device, sort: 'presence' };
}
