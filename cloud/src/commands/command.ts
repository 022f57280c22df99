/**
 * Commands as they are kept, from when they are made until some time after they ended.
 *
 *     table `device-command` · partition device · sort <id> · json: {@link StoredCommand}
 */
import type { CommandOutcome, Json } from '@weir/protocols';
import type { Item, ItemKey, Store } from '../store/store.ts';

export const COMMAND_TABLE = 'device-command';

export interface StoredCommand {
  name: string;
  payload: Json;
  /** Undefined: every function that handles commands. */
  function?: string;
  /** ms since epoch, as all times here. */
  createdAt: number;
  /** Rises from one to the next that is made; the order in which they are sent. */
  order: number;
  expiresAt: number;
  state: 'waiting' | CommandOutcome;
  endedAt?: number;
  /** Why it is not done, for a person. */
  detail?: string;
}

/** A command as the API tells of it. */
export interface CommandRecord extends Omit<StoredCommand, 'order' | 'payload'> {
  id: string;
  device: string;
}

export function commandKey(device: string, id: string): ItemKey {
  return { table: COMMAND_TABLE, partition: device, sort: id };
}

/** One whose time is over has expired, whether or not anybody has noted it yet. */
export function recordOf(device: string, id: string, stored: StoredCommand, now: number): CommandRecord {
  const { order: _order, payload: _payload, ...told } = stored;
  const state = told.state === 'waiting' && told.expiresAt <= now ? 'expired' : told.state;
  return { id, device, ...told, state };
}

/** In the order in which they were made. */
export async function commandsOf(store: Store, device: string): Promise<{ item: Item; command: StoredCommand }[]> {
  const found: { item: Item; command: StoredCommand }[] = [];
  let after: string | undefined;
  do {
    const query = { table: COMMAND_TABLE, partition: device };
    const page = await store.query(after === undefined ? query : { ...query, after });
    found.push(...page.items.map((item) => ({ item, command: item.json as StoredCommand })));
    after = page.next;
  } while (after !== undefined);
  return found.sort((a, b) => a.command.order - b.command.order);
}
