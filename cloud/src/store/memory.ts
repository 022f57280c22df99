import { byteLength } from '@weir/protocols';
import { conflictOf, jsonText, keyOf, PAGE_BYTES_MAX, PAGE_ITEMS, verifyChanges } from './limits.ts';
import { type Change, type Item, type ItemKey, type Page, type Query, type Store, StoreError } from './store.ts';

/** A store that lives as long as the process: for tests and simulation. */
export function createMemoryStore(): Store {
  return new MemoryStore();
}

interface Kept {
  sort: string;
  /** UTF-8 of the sort key, by which items are in order. */
  order: Uint8Array;
  version: number;
  json: string | null;
  bytes?: Uint8Array;
}

class MemoryStore implements Store {
  #tables = new Map<string, Map<string, Map<string, Kept>>>();
  #closed = false;

  async get(key: ItemKey): Promise<Item | undefined> {
    this.#verifyOpen();
    const kept = this.#find(key);
    return kept === undefined ? undefined : itemOf(key, kept);
  }

  async query({ table, partition, from, to, after, reverse, limit = PAGE_ITEMS }: Query): Promise<Page> {
    this.#verifyOpen();
    const beyond = (sort: string) => after === undefined || (reverse ? before(sort, after) : before(after, sort));
    const found = [...(this.#tables.get(table)?.get(partition)?.values() ?? [])]
      .filter(({ sort }) => (from === undefined || !before(sort, from)) && (to === undefined || before(sort, to)))
      .filter(({ sort }) => beyond(sort))
      .sort((a, b) => Buffer.compare(a.order, b.order) * (reverse ? -1 : 1));
    const items: Item[] = [];
    let bytes = 0;
    for (const kept of found) {
      bytes += byteLength(kept.json ?? '') + (kept.bytes?.length ?? 0);
      if (items.length === limit || (items.length > 0 && bytes > PAGE_BYTES_MAX)) {
        return { items, next: items.at(-1)!.sort };
      }
      items.push(itemOf({ table, partition, sort: kept.sort }, kept));
    }
    return { items };
  }

  async partitions(table: string, { after, limit = PAGE_ITEMS }: { after?: string; limit?: number } = {}) {
    this.#verifyOpen();
    const all = [...(this.#tables.get(table)?.keys() ?? [])]
      .filter((name) => after === undefined || before(after, name))
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const names = all.slice(0, limit);
    return all.length > limit ? { names, next: names.at(-1)! } : { names };
  }

  async write(changes: readonly Change[]): Promise<void> {
    this.#verifyOpen();
    const texts = changes.map(jsonText);
    verifyChanges(changes, texts);
    for (const change of changes) {
      const found = this.#find(keyOf(change))?.version ?? 0;
      if (change.ifVersion !== undefined && change.ifVersion !== found) throw conflictOf(change, found);
    }
    for (const [at, change] of changes.entries()) this.#apply(change, texts[at]!);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #apply(change: Change, json: string | null): void {
    const { table, partition, sort } = keyOf(change);
    const partitions = getOrMake(this.#tables, table, () => new Map<string, Map<string, Kept>>());
    const items = getOrMake(partitions, partition, () => new Map<string, Kept>());
    if ('remove' in change) {
      items.delete(sort);
      if (items.size === 0) partitions.delete(partition);
      return;
    }
    const kept: Kept = { sort, order: Buffer.from(sort), version: (items.get(sort)?.version ?? 0) + 1, json };
    if (change.bytes !== undefined) kept.bytes = new Uint8Array(change.bytes);
    items.set(sort, kept);
  }

  #find({ table, partition, sort }: ItemKey): Kept | undefined {
    return this.#tables.get(table)?.get(partition)?.get(sort);
  }

  #verifyOpen(): void {
    if (this.#closed) throw new StoreError('closed', 'the store is closed');
  }
}

function itemOf(key: ItemKey, { version, json, bytes }: Kept): Item {
  const item: Item = { ...key, version };
  if (json !== null) item.json = JSON.parse(json);
  if (bytes !== undefined) item.bytes = new Uint8Array(bytes);
  return item;
}

function before(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
