/**
 * Inside the store's database thread.
 *
 *     item    tbl | part | sort (unique together, compared as bytes) | version | json | bytes
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';

/** A change as it crosses to the thread: JSON is already text. */
export interface StoredChange {
  table: string;
  partition: string;
  sort: string;
  remove: boolean;
  json: string | null;
  bytes: Uint8Array | null;
  /** Version the item must have; 0: it must not exist; null: whatever. */
  ifVersion: number | null;
}

export interface StoredItem {
  sort: string;
  version: number;
  json: string | null;
  bytes: Uint8Array | null;
}

export interface StoredQuery {
  table: string;
  partition: string;
  from: string | null;
  to: string | null;
  after: string | null;
  limit: number;
  reverse: boolean;
  pageBytesMax: number;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS item (
    tbl TEXT NOT NULL, part TEXT NOT NULL, sort TEXT NOT NULL,
    version INTEGER NOT NULL, json TEXT, bytes BLOB
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS item_by_key ON item (tbl, part, sort);
`;

export function open(db: DatabaseSync) {
  // One hub at a time: another on the same folder must fail at its start, not at its first conflict.
  db.exec('PRAGMA locking_mode=EXCLUSIVE');
  db.exec(SCHEMA);

  const select = db.prepare('SELECT sort, version, json, bytes FROM item WHERE tbl = ? AND part = ? AND sort = ?');
  const version = db.prepare('SELECT version FROM item WHERE tbl = ? AND part = ? AND sort = ?');
  const put = db.prepare(
    `INSERT INTO item (tbl, part, sort, version, json, bytes) VALUES (?, ?, ?, 1, ?, ?)
     ON CONFLICT (tbl, part, sort) DO UPDATE SET version = version + 1, json = excluded.json, bytes = excluded.bytes`,
  );
  const remove = db.prepare('DELETE FROM item WHERE tbl = ? AND part = ? AND sort = ?');
  const nextPartition = db.prepare('SELECT part FROM item WHERE tbl = ? AND part > ? ORDER BY part LIMIT 1');
  const queries = new Map<string, ReturnType<DatabaseSync['prepare']>>();

  const pages = db.prepare(
    `SELECT (total.page_count - free.freelist_count) * size.page_size AS bytes
     FROM pragma_page_count AS total, pragma_freelist_count AS free, pragma_page_size AS size`,
  );

  return {
    /** Without what was removed, whose room is used again. */
    bytes: (): number => pages.get()!.bytes as number,

    get: (table: string, partition: string, sort: string): StoredItem | undefined =>
      select.get(table, partition, sort) as StoredItem | undefined,

    query(query: StoredQuery): { items: StoredItem[]; more: boolean } {
      const { sql, values } = querySql(query);
      let statement = queries.get(sql);
      if (statement === undefined) {
        statement = db.prepare(sql);
        queries.set(sql, statement);
      }
      const items: StoredItem[] = [];
      let bytes = 0;
      for (const row of statement.iterate(...values)) {
        const item = row as unknown as StoredItem;
        bytes += (item.json?.length ?? 0) + (item.bytes?.length ?? 0);
        if (items.length === query.limit || (items.length > 0 && bytes > query.pageBytesMax)) {
          return { items, more: true };
        }
        items.push(item);
      }
      return { items, more: false };
    },

    /** Steps from partition to partition by the index; DISTINCT would walk every item. */
    partitions(table: string, after: string, limit: number): string[] {
      const names: string[] = [];
      let last = after;
      while (names.length < limit) {
        const row = nextPartition.get(table, last);
        if (row === undefined) break;
        last = row.part as string;
        names.push(last);
      }
      return names;
    },

    /** @returns the change whose condition failed; nothing is written then. */
    write(changes: readonly StoredChange[]): { conflict: number; found: number } | undefined {
      for (const [at, { table, partition, sort, ifVersion }] of changes.entries()) {
        if (ifVersion === null) continue;
        const found = (version.get(table, partition, sort)?.version as number | undefined) ?? 0;
        if (found !== ifVersion) return { conflict: at, found };
      }
      for (const change of changes) {
        const { table, partition, sort } = change;
        if (change.remove) remove.run(table, partition, sort);
        else put.run(table, partition, sort, change.json, change.bytes);
      }
      return undefined;
    },
  };
}

export type StoreOperations = ReturnType<typeof open>;

function querySql(query: StoredQuery): { sql: string; values: SQLInputValue[] } {
  const where = ['tbl = ?', 'part = ?'];
  const values: SQLInputValue[] = [query.table, query.partition];
  const bound = (condition: string, value: string | null) => {
    if (value === null) return;
    where.push(condition);
    values.push(value);
  };
  bound('sort >= ?', query.from);
  bound('sort < ?', query.to);
  bound(query.reverse ? 'sort < ?' : 'sort > ?', query.after);
  const order = query.reverse ? 'DESC' : 'ASC';
  const sql = `SELECT sort, version, json, bytes FROM item WHERE ${where.join(' AND ')} ORDER BY sort ${order}`;
  return { sql, values };
}
