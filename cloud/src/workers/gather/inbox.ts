import type { Item, Query, Store } from '../../store/store.ts';
import { GATHER_TABLE, rangeOf, sourceOf } from './parts.ts';

/** What waits for gatherers, as those read it that take it in. */
export class Inboxes {
  readonly #store: Store;
  /** By gatherer: the partition of the log whose items are next. */
  readonly #turns = new Map<string, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Some of what waits; of each partition in order, the partitions in turn. */
  async next(gatherer: string, limit: number): Promise<Item[]> {
    const query: Query = { table: GATHER_TABLE, partition: gatherer, limit };
    const turn = this.#turns.get(gatherer);
    if (turn !== undefined) {
      const { items } = await this.#store.query({ ...query, from: rangeOf(turn).from });
      if (items.length > 0) return items;
    }
    return (await this.#store.query(query)).items;
  }

  /** To be called when the item is taken. */
  taken(item: Item): void {
    this.#turns.set(item.partition, sourceOf(item) + 1);
  }
}

/** @returns how many items of one partition of the log wait for a gatherer, `most` at most */
export async function countWaiting(store: Store, gatherer: string, partition: number, most: number): Promise<number> {
  const query: Query = { table: GATHER_TABLE, partition: gatherer, ...rangeOf(partition) };
  let count = 0;
  let after: string | undefined;
  do {
    const page = await store.query({ ...query, limit: most - count, ...(after !== undefined && { after }) });
    count += page.items.length;
    after = page.next;
  } while (after !== undefined && count < most);
  return count;
}
