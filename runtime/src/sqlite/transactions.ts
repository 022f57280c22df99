/**
 * What a database does with the calls that wait: all in one transaction, each in a savepoint of its own.
 *
 * The thread of the database runs this, and so does a simulation, which has no threads. Nothing here waits.
 */
import { DatabaseSync } from 'node:sqlite';
import type { SqliteError } from './thread.ts';

export interface DatabaseCall {
  id: number;
  name: string;
  args: unknown[];
}

/** The outcomes of one transaction, in the order of the calls. */
export type DatabaseAnswer = { id: number; value?: unknown; fault?: DatabaseFault }[];

export interface DatabaseFault {
  code: SqliteError['code'];
  message: string;
  stack?: string;
}

type Operation = (...args: unknown[]) => unknown;
/** The export `open` of a module of operations. */
export type OpenOperations = (db: DatabaseSync, options: unknown) => Record<string, Operation>;

/** Calls taken into one transaction at most; bounds how long the first of them waits. */
export const GROUP_MAX = 2_000;
/** Milliseconds to wait for a reader in another process, such as a status command. */
const BUSY_TIMEOUT_MS = 5_000;
/** The WAL file shrinks back to this after a checkpoint. */
const WAL_BYTES_KEPT = 4 * 1024 * 1024;

/** @see SQLite result codes; the low byte is the primary code */
const CODES: Record<number, DatabaseFault['code']> = {
  5: 'busy',
  6: 'busy',
  8: 'readonly',
  10: 'io',
  11: 'corrupt',
  13: 'full',
  14: 'io',
  26: 'corrupt',
};

export class Transactions {
  #db: DatabaseSync;
  #operations: Record<string, Operation>;

  /** @throws an error of SQLite when the file cannot be opened or its schema not be made; see {@link faultOf} */
  constructor(file: string, open: OpenOperations, options: unknown) {
    this.#db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
    this.#db.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA journal_size_limit=${WAL_BYTES_KEPT};`);
    this.#operations = open(this.#db, options);
  }

  get isOpen(): boolean {
    return this.#db.isOpen;
  }

  /** What it returns is durable. */
  transact(calls: readonly DatabaseCall[]): DatabaseAnswer {
    const answers: DatabaseAnswer = [];
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      for (const call of calls) answers.push(this.#run(call));
      this.#db.exec('COMMIT');
      return answers;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      const fault = faultOf(error);
      return calls.map(({ id }, at) => (answers[at]?.fault === undefined ? { id, fault } : answers[at]));
    }
  }

  close(): void {
    this.#db.close();
  }

  /** @throws what ended the whole transaction, e.g. a full disk that made SQLite roll back. */
  #run({ id, name, args }: DatabaseCall): DatabaseAnswer[number] {
    const operation = this.#operations[name];
    if (operation === undefined) return { id, fault: { code: 'other', message: `no operation ${name}` } };
    this.#db.exec('SAVEPOINT call');
    try {
      const value = operation(...args);
      this.#db.exec('RELEASE call');
      return { id, value };
    } catch (error) {
      if (!this.#db.isTransaction) throw error;
      this.#db.exec('ROLLBACK TO call; RELEASE call');
      return { id, fault: faultOf(error) };
    }
  }
}

export function faultOf(error: unknown): DatabaseFault {
  const { message, stack, errcode } = error as Error & { errcode?: number };
  const fault: DatabaseFault = { code: CODES[(errcode ?? 0) & 0xff] ?? 'other', message: message ?? String(error) };
  if (stack !== undefined) fault.stack = stack;
  return fault;
}
