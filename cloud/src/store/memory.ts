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

interface Partition {
  items: Map<string, Kept>;
  /** The same, in order. */
  sorted: Kept[];
}

class MemoryStore implements Store {
  #tables = new Map<string, Map<string, Partition>>();
  #closed = false;

  async get(key: ItemKey): Promise<Item | undefined> {
    this.#verifyOpen();
    const kept = this.#find(key);
    return kept === undefined ? undefined : itemOf(key, kept);
  }

  async query({ table, partition, from, to, after, reverse, limit = PAGE_ITEMS }: Query): Promise<Page> {
    this.#verifyOpen();
    const sorted = this.#tables.get(table)?.get(partition)?.sorted ?? [];
    const isOver = reverse && after !== undefined && (to === undefined || before(after, to));
    let low = from === undefined ? 0 : placeOf(sorted, from);
    const high = isOver ? placeOf(sorted, after) : to === undefined ? sorted.length : placeOf(sorted, to);
    if (!reverse && after !== undefined) low = Math.max(low, placeOf(sorted, `${after}\0`));
    const found = sorted.slice(low, Math.max(low, high));
    if (reverse) found.reverse();
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
    const partitions = getOrMake(this.#tables, table, () => new Map<string, Partition>());
    const { items, sorted } = getOrMake(partitions, partition, (): Partition => ({ items: new Map(), sorted: [] }));
    const known = items.get(sort);
    if ('remove' in change) {
      if (known !== undefined) sorted.splice(placeOf(sorted, sort), 1);
      items.delete(sort);
      if (items.size === 0) partitions.delete(partition);
      return;
    }
    const kept: Kept = { sort, order: Buffer.from(sort), version: (known?.version ?? 0) + 1, json };
    if (change.bytes !== undefined) kept.bytes = new Uint8Array(change.bytes);
    items.set(sort, kept);
    sorted.splice(placeOf(sorted, sort), known === undefined ? 0 : 1, kept);
  }

  #find({ table, partition, sort }: ItemKey): Kept | undefined {
    return this.#tables.get(table)?.get(partition)?.items.get(sort);
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

/** The place of a sort key, or of what would follow it. */
function placeOf(sorted: readonly Kept[], sort: string): number {
  const order = Buffer.from(sort);
  let low = 0;
  for (let high = sorted.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (Buffer.compare(sorted[middle]!.order, order) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
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
