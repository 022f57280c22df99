import { DatabaseSync } from 'node:sqlite';
import { UsageError } from '@weir/runtime';

export interface Lock {
  release(): void;
}

const SQLITE_BUSY = 5;

/**
 * Keeps a second agent off the same data folder. An exclusive SQLite transaction is a lock of the operating system:
 * it ends with the process, however that ends, and a file left behind means nothing.
 *
 * @throws {UsageError} `data-in-use`
 */
export function lockFile(file: string, folder: string): Lock {
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    throw new UsageError(
      'data-in-use',
      `another agent is running on ${folder}`,
      'stop it first, or choose another folder by --data',
      { cause: error },
    );
  }
  return {
    release: () => {
      if (db.isOpen) db.close();
    },
  };
}
