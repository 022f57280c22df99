import { DatabaseSync } from 'node:sqlite';

/** @returns what SQLite finds wrong with the file, undefined: nothing; an agent may be running on it */
export function quickCheck(file: string): string | undefined {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
    const row = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
    return row.quick_check === 'ok' ? undefined : row.quick_check;
  } catch (error) {
    return (error as Error).message;
  } finally {
    db?.close();
  }
}
