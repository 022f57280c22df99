/**
 * A SQLite database in a thread of its own, with group commit.
 *
 * `node:sqlite` blocks its thread, and a slow SD card must never stall a broker. All calls that wait while one
 * transaction commits are carried out, in order, in the next: one fsync for many writes.
 *
 *     call, call, call  ->  [ BEGIN  op  op  op  COMMIT + fsync ]  ->  all three resolve, in order
 *
 * An operation that throws is undone alone (savepoint) and rejects alone; a failed COMMIT rejects every call in it.
 */
export interface SqliteThreadOptions {
  /** Path of the database file; its folder exists. */
  file: string;
  /** Module whose export `open(db: DatabaseSync, options: unknown)` makes the schema and returns the operations. */
  operations: URL;
  /** Handed to `open`; structured-cloneable. */
  options?: unknown;
}

/** Operations by name; arguments and results are structured-cloneable. */
export type Operations = Record<string, (...args: never[]) => unknown>;

export interface SqliteThread<O extends Operations> {
  /** Resolves when the operation's effect is durable (WAL, synchronous=FULL). */
  call<K extends keyof O & string>(name: K, ...args: Parameters<O[K]>): Promise<Awaited<ReturnType<O[K]>>>;
  /** As `call`, and moves the buffers to the thread instead of copying them. */
  callMoving<K extends keyof O & string>(
    transfer: readonly ArrayBuffer[],
    name: K,
    ...args: Parameters<O[K]>
  ): Promise<Awaited<ReturnType<O[K]>>>;
  /** Finishes what was called, then closes; idempotent. */
  close(): Promise<void>;
}

/** The database could not do it; `code` is SQLite's own short name. */
export class SqliteError extends Error {
  readonly code: 'full' | 'io' | 'readonly' | 'corrupt' | 'busy' | 'closed' | 'other';

  constructor(code: SqliteError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SqliteError';
    this.code = code;
  }
}
