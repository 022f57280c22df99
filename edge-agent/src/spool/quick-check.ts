import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** @returns what SQLite finds wrong with the file, undefined: nothing; an agent may be running on it */
export function quickCheck(file: string): string | undefined {
  return check(file, (db) => faultIn(db, 'PRAGMA quick_check(1)'));
}

/** By far the largest tables. A page of theirs that is damaged is noticed when it is read. */
const BULK = ['outbox', 'journal', 'bundle'];
/** Read in about two seconds from a slow card. */
const WHOLE_BYTES_MAX = 64 * 1024 * 1024;
/** @see SQLite result codes */
const CORRUPT = 11;
const NOT_A_DATABASE = 26;

/**
 * What a start can wait for, after one that did not end as it should: the whole of a small file; of a large one the tables
 * that say how things stand.
 *
 * @returns what is damaged, undefined: nothing that was seen, or nothing could be seen
 */
export function checkAtStart(file: string): string | undefined {
  const log = statSync(`${file}-wal`, { throwIfNoEntry: false });
  if (log === undefined || log.size === 0) return undefined;
  if (statSync(file).size <= WHOLE_BYTES_MAX) return check(file, (db) => faultIn(db, 'PRAGMA quick_check(1)'), true);
  return check(
    file,
    (db) => {
      const tables = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .all();
      const small = tables.map(({ name }) => name as string).filter((name) => !BULK.includes(name));
      return small.map((name) => faultIn(db, `PRAGMA quick_check("${name}")`)).find((fault) => fault !== undefined);
    },
    true,
  );
}

function faultIn(db: DatabaseSync, pragma: string): string | undefined {
  const row = db.prepare(pragma).get() as { quick_check: string };
  return row.quick_check === 'ok' ? undefined : row.quick_check;
}

function check(file: string, look: (db: DatabaseSync) => string | undefined, damageOnly = false): string | undefined {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
    return look(db);
  } catch (error) {
    const { errcode = 0, message } = error as Error & { errcode?: number };
    return !damageOnly || [CORRUPT, NOT_A_DATABASE].includes(errcode & 0xff) ? message : undefined;
  } finally {
    db?.close();
  }
}
