/**
 * The store: devices, groups, shadows, function state, history, episodes, as items under (table, partition, sort).
 * Shaped so that one SQLite file and the DynamoDB API serve alike.
 *
 * Obligations of every adapter (`store.contract.ts` checks them):
 *
 * - `write` is atomic: all changes or none; durable when it resolves. At most {@link CHANGES_MAX} changes, each item
 *   at most {@link ITEM_BYTES_MAX} bytes, no item twice.
 * - A change with `ifVersion` holds only if the item has that version now (0: the item must not exist). Otherwise the
 *   whole write fails with `StoreError` `conflict`. Without `ifVersion` it is unconditional.
 * - Versions count 1, 2, 3, … per item; deleting and writing again starts at 1.
 * - `query` walks one partition in order of the sort key (bytes of UTF-8), page by page; `next` undefined at the end.
 * - A `get` or `query` that begins after a `write` resolved sees it.
 */
export interface ItemKey {
  /** `device`, `group`, `shadow`, … */
  table: string;
  partition: string;
  sort: string;
}

/** JSON, or bytes, or both. */
export interface ItemBody {
  json?: unknown;
  bytes?: Uint8Array;
}

export interface Item extends ItemKey, ItemBody {
  version: number;
}

export type Change = ({ put: ItemKey } & ItemBody & { ifVersion?: number }) | { remove: ItemKey; ifVersion?: number };

export interface Query {
  table: string;
  partition: string;
  /** Sort keys from this one (inclusive) … */
  from?: string;
  /** … to this one (exclusive). */
  to?: string;
  limit?: number;
  reverse?: boolean;
  /** `next` of the page before. */
  after?: string;
}

export interface Page {
  items: Item[];
  next?: string;
}

export interface Store {
  get(key: ItemKey): Promise<Item | undefined>;
  query(query: Query): Promise<Page>;
  /** Partitions of a table that hold an item, page by page, in order. */
  partitions(table: string, options?: { after?: string; limit?: number }): Promise<{ names: string[]; next?: string }>;
  write(changes: readonly Change[]): Promise<void>;
  /** What its items take on disk, or would; absent where nobody has to care. */
  bytes?(): Promise<number>;
  close(): Promise<void>;
}

/** DynamoDB takes 100 actions in one transaction. */
export const CHANGES_MAX = 100;
/** DynamoDB takes 400 KB in one item. */
export const ITEM_BYTES_MAX = 400_000;

export class StoreError extends Error {
  readonly code: 'conflict' | 'too-large' | 'closed' | 'io';
  readonly retryable: boolean;

  constructor(code: 'conflict' | 'too-large' | 'closed' | 'io', message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreError';
    this.code = code;
    this.retryable = code === 'io';
  }
}
