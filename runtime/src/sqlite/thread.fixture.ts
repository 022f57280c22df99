import type { DatabaseSync } from 'node:sqlite';

const IOERR_FSYNC = 1034;
let opened = 0;

export function open(db: DatabaseSync, { table }: { table: string }) {
  opened++;
  db.exec(`CREATE TABLE IF NOT EXISTS ${table} (id INTEGER PRIMARY KEY, word TEXT) STRICT`);
  const insert = db.prepare(`INSERT INTO ${table} (word) VALUES (?)`);
  const select = db.prepare(`SELECT word FROM ${table} ORDER BY id`);
  return {
    add: (word: string) => Number(insert.run(word).lastInsertRowid),
    addAndThrow(word: string): never {
      insert.run(word);
      throw new Error('thrown on purpose');
    },
    /** As SQLite does when a sync fails: what was done is undone, and the error comes through. */
    addAndFailDisk(word: string): never {
      insert.run(word);
      db.exec('ROLLBACK');
      throw Object.assign(new Error('disk I/O error'), { errcode: IOERR_FSYNC });
    },
    /** How often the file was opened in this process. */
    opened: () => opened,
    all: () => select.all().map((row) => row.word as string),
    size: (bytes: Uint8Array) => bytes.length,
  };
}

export type TestOperations = ReturnType<typeof open>;
