import type { DatabaseSync } from 'node:sqlite';

export function open(db: DatabaseSync, { table }: { table: string }) {
  db.exec(`CREATE TABLE IF NOT EXISTS ${table} (id INTEGER PRIMARY KEY, word TEXT) STRICT`);
  const insert = db.prepare(`INSERT INTO ${table} (word) VALUES (?)`);
  const select = db.prepare(`SELECT word FROM ${table} ORDER BY id`);
  return {
    add: (word: string) => Number(insert.run(word).lastInsertRowid),
    addAndThrow(word: string): never {
      insert.run(word);
      throw new Error('thrown on purpose');
    },
    all: () => select.all().map((row) => row.word as string),
    size: (bytes: Uint8Array) => bytes.length,
  };
}

export type TestOperations = ReturnType<typeof open>;
