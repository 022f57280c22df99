import { type OpenDatabase, openSqliteThread, SqliteError, type SqliteThread, UsageError } from '@weir/runtime';
import { conflictOf, jsonText, keyOf, PAGE_BYTES_MAX, PAGE_ITEMS, verifyChanges } from './limits.ts';
import type { StoredChange, StoredItem, StoreOperations } from './sqlite-operations.ts';
import { type Change, type Item, type ItemKey, type Page, type Query, type Store, StoreError } from './store.ts';

/**
 * A store in one SQLite file.
 *
 * @param options.open opens the database; default: in a thread of its own
 * @throws {UsageError} `data-in-use` when another hub has the file open. @throws {StoreError} `io`
 */
export async function openSqliteStore(options: { file: string; open?: OpenDatabase }): Promise<Store> {
  const { open = openSqliteThread } = options;
  try {
    const operations = new URL('./sqlite-operations.ts', import.meta.url);
    return new SqliteStore(await open<StoreOperations>({ file: options.file, operations }));
  } catch (error) {
    if (error instanceof SqliteError && error.code === 'busy') {
      throw new UsageError('data-in-use', `${options.file} is in use`, 'stop the other hub or choose another --data', {
        cause: error,
      });
    }
    throw translate(error);
  }
}

class SqliteStore implements Store {
  #thread: SqliteThread<StoreOperations>;

  constructor(thread: SqliteThread<StoreOperations>) {
    this.#thread = thread;
  }

  async get(key: ItemKey): Promise<Item | undefined> {
    const row = await this.#do(() => this.#thread.call('get', key.table, key.partition, key.sort));
    return row === undefined ? undefined : itemOf(key, row);
  }

  bytes(): Promise<number> {
    return this.#do(() => this.#thread.call('bytes'));
  }

  async query(query: Query): Promise<Page> {
    const { table, partition } = query;
    const { items, more } = await this.#do(() =>
      this.#thread.call('query', {
        table,
        partition,
        from: query.from ?? null,
        to: query.to ?? null,
        after: query.after ?? null,
        limit: query.limit ?? PAGE_ITEMS,
        reverse: query.reverse ?? false,
        pageBytesMax: PAGE_BYTES_MAX,
      }),
    );
    const page: Page = { items: items.map((row) => itemOf({ table, partition, sort: row.sort }, row)) };
    if (more) page.next = items.at(-1)!.sort;
    return page;
  }

  async partitions(table: string, options: { after?: string; limit?: number } = {}) {
    const limit = options.limit ?? PAGE_ITEMS;
    const names = await this.#do(() => this.#thread.call('partitions', table, options.after ?? '', limit + 1));
    if (names.length <= limit) return { names };
    return { names: names.slice(0, limit), next: names[limit - 1]! };
  }

  async write(changes: readonly Change[]): Promise<void> {
    const texts = changes.map(jsonText);
    verifyChanges(changes, texts);
    if (changes.length === 0) return;
    const stored = changes.map((change, at): StoredChange => {
      const { table, partition, sort } = keyOf(change);
      // A view into a larger buffer would take all of it across to the thread.
      const bytes = 'put' in change && change.bytes !== undefined ? new Uint8Array(change.bytes) : null;
      const ifVersion = change.ifVersion ?? null;
      return { table, partition, sort, remove: 'remove' in change, json: texts[at]!, bytes, ifVersion };
    });
    const conflict = await this.#do(() => this.#thread.call('write', stored));
    if (conflict !== undefined) throw conflictOf(changes[conflict.conflict]!, conflict.found);
  }

  close(): Promise<void> {
    return this.#thread.close();
  }

  async #do<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw translate(error);
    }
  }
}

function itemOf(key: ItemKey, { version, json, bytes }: StoredItem): Item {
  const item: Item = { ...key, version };
  if (json !== null) item.json = JSON.parse(json);
  if (bytes !== null) item.bytes = bytes;
  return item;
}

function translate(error: unknown): unknown {
  if (!(error instanceof SqliteError)) return error;
  return new StoreError(error.code === 'closed' ? 'closed' : 'io', `the store: ${error.message}`, { cause: error });
}
