/**
 * A connection to a database file, which is not trusted any more once the disk has failed under a commit.
 *
 * After an fsync that failed nobody knows what is on the disk: the system may have let go of what it could not write,
 * and answers the next fsync with yes. SQLite writes the pages of a transaction anew that comes in the place of a failed
 * one; all the same nothing is committed on that connection before
 *
 * - what was committed is written from the log into the database, anew, and synced. Thereby the log becomes empty, and a
 *   transaction whose commit failed cannot come back from there as one that was committed;
 * - the file is opened anew.
 *
 * A process that was killed between a failed fsync and this finds in its log what the system remembers and the disk may
 * not have. So a log that is there at the start is written over with what is in it, and synced: only then is it what the
 * next commits may stand on.
 *
 * @see https://www.usenix.org/conference/atc20/presentation/rebello "Can Applications Recover from fsync Failures?"
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

export type Operation = (...args: unknown[]) => unknown;
/** The export `open` of a module of operations; called again on the same file after the disk has failed. */
export type OpenOperations = (db: DatabaseSync, options: unknown) => Record<string, Operation>;

/** What a database stands on; a simulation has a disk of its own. */
export interface DatabaseDisk {
  /** Opens the file by SQLite. */
  open(file: string): DatabaseSync;
  /** Makes certain what was written to a file, if there is one. @throws when the disk fails */
  sync(file: string): void;
}

/** Milliseconds to wait for a reader in another process, such as a status command. */
const BUSY_TIMEOUT_MS = 5_000;
/** A reader that is in the way of mending is waited for with the next call again. */
const MENDING_TIMEOUT_MS = 200;
/** The log shrinks back to this after a checkpoint. */
const LOG_BYTES_KEPT = 4 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;

const realDisk: DatabaseDisk = {
  open: (file) => new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS }),
  sync: syncFile,
};

export class Connection {
  #file: string;
  #open: OpenOperations;
  #options: unknown;
  #db: DatabaseSync | undefined;
  /** Asked with every transaction. */
  #countChanges: StatementSync | undefined;
  /** On connections that were mended. */
  #changesBefore = 0;
  #disk: DatabaseDisk;
  #operations: Record<string, Operation> = {};
  #isTrusted = true;
  #synchronous = 'FULL';

  /** @throws an error of SQLite or of the file system when it cannot be opened or its schema not be made */
  constructor(file: string, open: OpenOperations, options: unknown, disk: DatabaseDisk = realDisk) {
    this.#file = file;
    this.#open = open;
    this.#options = options;
    this.#disk = disk;
    this.#connect();
  }

  get db(): DatabaseSync {
    return this.#db!;
  }

  /** Rows changed so far; another number after the file was opened anew, for what was written then is to be synced, too. */
  get changes(): number {
    if (this.#db?.isOpen !== true) return this.#changesBefore;
    return this.#changesBefore + (this.#countChanges!.get() as unknown as [number])[0];
  }

  get operations(): Record<string, Operation> {
    return this.#operations;
  }

  /** From now on a commit survives the end of the process, and only with the next `sync` the end of the power. */
  relax(): void {
    this.#synchronous = 'NORMAL';
    this.db.exec('PRAGMA synchronous=NORMAL');
  }

  /**
   * What was committed is on the disk. The log is a file of its own, which SQLite never locks: it can be synced beside it.
   * @throws when the disk fails; the connection is not trusted any more then
   */
  sync(): void {
    if (!this.#isTrusted) return;
    try {
      this.#disk.sync(`${this.#file}-wal`);
    } catch (error) {
      this.distrust();
      throw error;
    }
  }

  /** The disk has failed: nothing more on this connection until it is mended. */
  distrust(): void {
    this.#isTrusted = false;
  }

  /** To be called before each transaction. @throws as long as the disk goes on failing */
  mend(): void {
    if (this.#isTrusted) return;
    this.#changesBefore = this.changes + 1;
    if (this.#db !== undefined) this.#empty(this.#db);
    this.#connect();
    this.#isTrusted = true;
  }

  /** Undoes what is under way. */
  rollBack(): void {
    try {
      if (this.#db?.isTransaction) this.#db.exec('ROLLBACK');
    } catch {
      this.distrust();
    }
  }

  close(): void {
    this.#db?.close();
    this.#db = undefined;
  }

  #empty(db: DatabaseSync): void {
    if (db.isTransaction) db.exec('ROLLBACK');
    db.exec(`PRAGMA busy_timeout=${MENDING_TIMEOUT_MS}`);
    const { busy } = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
    // Somebody else reads: the log is still needed.
    if (busy !== 0)
      throw Object.assign(new Error('the disk has failed, and a reader is in the way'), { errcode: BUSY });
    this.close();
  }

  #connect(): void {
    const db = this.#disk.open(this.#file);
    try {
      db.exec(
        `PRAGMA journal_mode=WAL; PRAGMA synchronous=${this.#synchronous}; PRAGMA journal_size_limit=${LOG_BYTES_KEPT};`,
      );
      writeLogAgain(db, `${this.#file}-wal`);
      this.#operations = this.#open(db, this.#options);
      this.#countChanges = db.prepare('SELECT total_changes()');
      this.#countChanges.setReturnArrays(true);
      this.#db = db;
    } catch (error) {
      db.close();
      throw error;
    }
  }
}

/** @see SQLite result codes */
const BUSY = 5;

/** Nobody else writes meanwhile. */
function writeLogAgain(db: DatabaseSync, log: string): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    writeAgain(log);
  } finally {
    db.exec('ROLLBACK');
  }
}

/** What is in the file is on the disk, then. */
function writeAgain(path: string): void {
  const file = openIfThere(path);
  if (file === undefined) return;
  try {
    const chunk = new Uint8Array(Math.min(fstatSync(file).size, CHUNK_BYTES));
    let at = 0;
    for (let length = readSync(file, chunk, 0, chunk.length, at); length > 0; ) {
      writeSync(file, chunk, 0, length, at);
      at += length;
      length = readSync(file, chunk, 0, chunk.length, at);
    }
    if (at > 0) fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFile(path: string): void {
  const file = openIfThere(path);
  if (file === undefined) return;
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
