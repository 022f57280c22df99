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
import { Worker } from 'node:worker_threads';
import type { BoundedSyncOptions } from './bounded-sync.ts';
import type { DatabaseAnswer, DatabaseCall, DatabaseFault } from './transactions.ts';

export interface SqliteThreadOptions {
  /** Path of the database file; its folder exists. */
  file: string;
  /** Module whose export `open(db: DatabaseSync, options: unknown)` makes the schema and returns the operations. */
  operations: URL;
  /** Handed to `open`; structured-cloneable. */
  options?: unknown;
  /** Undefined: every commit is synced. */
  boundedSync?: BoundedSyncOptions | undefined;
}

/** Operations by name; arguments and results are structured-cloneable. */
export type Operations = { [K in string]: (...args: never[]) => unknown };

export interface SqliteThread<O extends Operations> {
  /**
   * Resolves when the operation's effect is durable (WAL, synchronous=FULL). With {@link SqliteThreadOptions.boundedSync}
   * it survives the end of the process by then; of operations that are awaited it survives that of the power.
   */
  call<K extends keyof O & string>(name: K, ...args: Parameters<O[K]>): Promise<Awaited<ReturnType<O[K]>>>;
  /** As `call`, and moves the buffers to the thread instead of copying them. */
  callMoving<K extends keyof O & string>(
    transfer: readonly ArrayBuffer[],
    name: K,
    ...args: Parameters<O[K]>
  ): Promise<Awaited<ReturnType<O[K]>>>;
  /** Since it was opened. */
  figures(): Promise<SqliteFigures>;
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

/** What wears a disk out. */
export interface SqliteFigures {
  /** Transactions that changed something. */
  commits: number;
  /** Times that the log was synced. */
  syncs: number;
}

/** What crosses to the thread. */
export type ThreadRequest = DatabaseCall | { id: number; close: true } | { id: number; figures: true };

/** {@link openSqliteThread}, or what a simulation has in its place. */
export type OpenDatabase = typeof openSqliteThread;

/** @throws {SqliteError} when the file cannot be opened or its schema not be made. */
export async function openSqliteThread<O extends { [K in keyof O]: (...args: never[]) => unknown }>(
  options: SqliteThreadOptions,
): Promise<SqliteThread<O & Operations>> {
  const thread = new Thread(options);
  await thread.opened;
  return thread as unknown as SqliteThread<O & Operations>;
}

interface Pending {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

class Thread {
  readonly opened: Promise<void>;
  #worker: Worker;
  #pending = new Map<number, Pending>();
  #nextId = 1;
  #dead: SqliteError | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: SqliteThreadOptions) {
    this.#worker = new Worker(new URL('./thread-worker.ts', import.meta.url), {
      workerData: {
        file: options.file,
        operations: options.operations.href,
        options: options.options,
        boundedSync: options.boundedSync,
      },
      // Only node:sqlite lives here; the flags of the outer process do not concern it.
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    this.opened = new Promise((resolve, reject) => this.#pending.set(0, { resolve, reject }));
    this.#worker.on('message', (answers: DatabaseAnswer) => this.#settle(answers));
    this.#worker.on('error', (error) => this.#die(`the database thread failed: ${error.message}`, error));
    this.#worker.on('exit', () => this.#die('the database is closed'));
  }

  call(name: string, ...args: unknown[]): Promise<unknown> {
    return this.#post({ id: this.#nextId++, name, args }, []);
  }

  callMoving(transfer: readonly ArrayBuffer[], name: string, ...args: unknown[]): Promise<unknown> {
    return this.#post({ id: this.#nextId++, name, args }, transfer);
  }

  figures(): Promise<SqliteFigures> {
    return this.#post({ id: this.#nextId++, figures: true }, []);
  }

  close(): Promise<void> {
    this.#closed ??= this.#shut();
    return this.#closed;
  }

  async #shut(): Promise<void> {
    if (this.#dead === undefined) await this.#post({ id: this.#nextId++, close: true }, []);
    this.#dead ??= new SqliteError('closed', 'the database is closed');
    await this.#worker.terminate();
  }

  #post(request: ThreadRequest, transfer: readonly ArrayBuffer[]): Promise<never> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    return new Promise((resolve, reject) => {
      this.#pending.set(request.id, { resolve, reject });
      this.#worker.postMessage(request, transfer);
    });
  }

  #settle(answers: DatabaseAnswer): void {
    for (const { id, value, fault } of answers) {
      const pending = this.#pending.get(id);
      if (pending === undefined) continue;
      this.#pending.delete(id);
      if (fault === undefined) pending.resolve(value as never);
      else pending.reject(revive(fault));
    }
  }

  #die(message: string, cause?: Error): void {
    this.#dead ??= new SqliteError('closed', message, { cause });
    for (const pending of this.#pending.values()) pending.reject(this.#dead);
    this.#pending.clear();
  }
}

/** A fault as what the caller of the operation is to catch. */
export function revive(fault: DatabaseFault): SqliteError {
  const error = new SqliteError(fault.code, fault.message);
  if (fault.stack !== undefined) error.stack = `${error.stack}\n  in the database: ${fault.stack}`;
  return error;
}
