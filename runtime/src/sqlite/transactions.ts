/**
 * What a database does with the calls that wait: all in one transaction, each in a savepoint of its own.
 *
 * The thread of the database runs this, and so does a simulation, which has no threads. Nothing here waits.
 */
import { Connection, type DatabaseDisk, type OpenOperations } from './connection.ts';
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

/** Calls taken into one transaction at most; bounds how long the first of them waits. */
export const GROUP_MAX = 2_000;
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

/** Of the file system, where a file is touched without SQLite. */
const SYSTEM_CODES: Record<string, DatabaseFault['code']> = {
  EIO: 'io',
  ENOSPC: 'full',
  EDQUOT: 'full',
  EROFS: 'readonly',
};

export class Transactions {
  #connection: Connection;
  #isOpen = true;

  /** @throws an error of SQLite when the file cannot be opened or its schema not be made; see {@link faultOf} */
  constructor(file: string, open: OpenOperations, options: unknown, disk?: DatabaseDisk) {
    this.#connection = new Connection(file, open, options, disk);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** What it returns is durable. */
  transact(calls: readonly DatabaseCall[]): DatabaseAnswer {
    const answers: DatabaseAnswer = [];
    try {
      this.#connection.mend();
      this.#connection.db.exec('BEGIN IMMEDIATE');
      for (const call of calls) answers.push(this.#run(call));
      this.#connection.db.exec('COMMIT');
      return answers;
    } catch (error) {
      const fault = faultOf(error);
      if (fault.code === 'io') this.#connection.distrust();
      else this.#connection.rollBack();
      return calls.map(({ id }, at) => (answers[at]?.fault === undefined ? { id, fault } : answers[at]));
    }
  }

  /** Commits are not synced any more one by one, but by `sync`. */
  relax(): void {
    this.#connection.relax();
  }

  /** What was committed is on the disk. @throws when the disk fails */
  sync(): void {
    this.#connection.sync();
  }

  /** Rows changed on this connection so far: more after a transaction that wrote. */
  get changes(): number {
    return this.#connection.changes;
  }

  close(): void {
    this.#isOpen = false;
    this.#connection.close();
  }

  /** @throws what ended the whole transaction, e.g. a full disk that made SQLite roll back. */
  #run({ id, name, args }: DatabaseCall): DatabaseAnswer[number] {
    const { db, operations } = this.#connection;
    const operation = operations[name];
    if (operation === undefined) return { id, fault: { code: 'other', message: `no operation ${name}` } };
    db.exec('SAVEPOINT call');
    try {
      const value = operation(...args);
      db.exec('RELEASE call');
      return { id, value };
    } catch (error) {
      if (!db.isTransaction) throw error;
      db.exec('ROLLBACK TO call; RELEASE call');
      return { id, fault: faultOf(error) };
    }
  }
}

export function faultOf(error: unknown): DatabaseFault {
  const { message, stack, errcode, code: system = '' } = error as NodeJS.ErrnoException & { errcode?: number };
  // Operations parse what they have written themselves: what is no JSON any more was damaged on the disk.
  const stored = error instanceof SyntaxError ? ('corrupt' as const) : undefined;
  const code = CODES[(errcode ?? 0) & 0xff] ?? SYSTEM_CODES[system] ?? stored ?? 'other';
  const fault: DatabaseFault = { code, message: message ?? String(error) };
  if (stack !== undefined) fault.stack = stack;
  return fault;
}
