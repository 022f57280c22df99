/**
 * The database of one run without a thread: the same transactions on a disk that may be slow, full, broken, or gone.
 *
 *     call, call -> [ transaction ] -> later: both resolve
 *                   ^ may fail, may be the last thing that happens
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import {
  type DatabaseAnswer,
  type DatabaseCall,
  faultOf,
  GROUP_MAX,
  type OpenDatabase,
  type OpenOperations,
  revive,
  SqliteError,
  Transactions,
} from '@weir/runtime';
import type { Dice } from './dice.ts';
import type { CrashKind, DatabaseFile } from './disk.ts';
import type { Life } from './life.ts';

/** What is wrong with a disk just now. */
export interface DiskFaults {
  /** No page can be had. */
  isFull: boolean;
  /** Of transactions that fail with EIO. */
  ioShare: number;
  /** ms, mean, that a transaction takes. */
  slowMs: number;
  /** The next transaction is the last thing that the run does. */
  crashInTransaction: CrashKind | undefined;
}

export function noDiskFaults(): DiskFaults {
  return { isFull: false, ioShare: 0, slowMs: 0.5, crashInTransaction: undefined };
}

export interface DatabasePorts {
  life: Life;
  file: DatabaseFile;
  faults: DiskFaults;
  dice: Dice;
  /** Told of what was committed and is about to be answered; in order. */
  onCommitted(calls: readonly DatabaseCall[], answers: DatabaseAnswer): void;
  /** Its fsync does nothing until the log is checkpointed: what the checkers must find. */
  liesAboutSync: boolean;
}

/** Modules of operations, loaded before a simulation begins: to load one takes a turn of the real event loop. */
const modules = new Map<string, OpenOperations>();

export async function loadOperations(...urls: string[]): Promise<void> {
  for (const url of urls) modules.set(url, ((await import(url)) as { open: OpenOperations }).open);
}

const IO_ERROR = 10;
const FULL_ERROR = 13;
const PAGES_MAX = 1_073_741_823;

/** SQLite whose disk fails when it is to. */
class FaultyDatabase extends DatabaseSync {
  readonly #ports: DatabasePorts;
  readonly #synchronous: StatementSync;
  readonly #totalChanges: StatementSync;
  #changesBefore = 0;
  #isFull = false;

  constructor(path: string, ports: DatabasePorts) {
    super(path);
    this.#ports = ports;
    this.#synchronous = this.prepare('PRAGMA synchronous');
    this.#totalChanges = this.prepare('SELECT total_changes() AS n');
  }

  get syncsCommits(): boolean {
    return (this.#synchronous.get() as { synchronous: number }).synchronous >= 2;
  }

  override exec(sql: string): void {
    const { faults, dice } = this.#ports;
    if (sql === 'BEGIN IMMEDIATE') {
      this.#setFull(faults.isFull);
      this.#changesBefore = this.#changes;
      if (dice.chance(faults.ioShare / 2)) throw failure(IO_ERROR, 'disk I/O error');
    } else if (sql === 'COMMIT' && this.#changes > this.#changesBefore) {
      if (dice.chance(faults.ioShare / 2)) throw failure(IO_ERROR, 'disk I/O error');
      // The log has no room either; now and then there is a little left in it.
      if (faults.isFull && dice.chance(0.5)) throw failure(FULL_ERROR, 'database or disk is full');
    }
    super.exec(sql);
  }

  /** What only reads does not need the disk to write. */
  get #changes(): number {
    return (this.#totalChanges.get() as { n: number }).n;
  }

  #setFull(isFull: boolean): void {
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    const { page_count: pages } = this.prepare('PRAGMA page_count').get() as { page_count: number };
    super.exec(`PRAGMA max_page_count=${isFull ? pages : PAGES_MAX}`);
  }
}

function failure(errcode: number, message: string): Error {
  return Object.assign(new Error(message), { errcode });
}

interface Pending {
  call: DatabaseCall;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class SimulatedDatabase {
  readonly #ports: DatabasePorts;
  #db: FaultyDatabase | undefined;
  readonly #transactions: Transactions;
  #waiting: Pending[] = [];
  #isBusy = false;
  #isClosed = false;
  #nextId = 1;
  #closing: Promise<void> | undefined;

  /** @throws {SqliteError} */
  constructor(ports: DatabasePorts, open: OpenOperations, options: unknown) {
    this.#ports = ports;
    try {
      this.#transactions = new Transactions(ports.file.open(), open, options, (path) => {
        this.#db = new FaultyDatabase(path, ports);
        return this.#db;
      });
      ports.file.sync();
    } catch (error) {
      throw revive(faultOf(error));
    }
  }

  call(name: string, ...args: unknown[]): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(new SqliteError('closed', 'the database is closed'));
    const cloned = structuredClone(args);
    return this.#ports.life.waitFor((resolve, reject) => {
      this.#waiting.push({ call: { id: this.#nextId++, name, args: cloned }, resolve, reject });
      this.#begin();
    });
  }

  callMoving(_transfer: readonly ArrayBuffer[], name: string, ...args: unknown[]): Promise<unknown> {
    return this.call(name, ...args);
  }

  close(): Promise<void> {
    this.#closing ??= this.#ports.life.waitFor<void>((resolve) => {
      this.#isClosed = true;
      const finish = () => {
        if (this.#isBusy || this.#waiting.length > 0) {
          this.#ports.life.later(1, finish);
          return;
        }
        this.shut();
        resolve();
      };
      finish();
    });
    return this.#closing;
  }

  /** Lets go of the file, whatever was under way. */
  shut(): void {
    if (this.#db?.isOpen) this.#db.close();
  }

  #begin(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#ports.life.later(0, () => this.#transact());
  }

  #transact(): void {
    const { life, faults, file, dice, onCommitted } = this.#ports;
    const group = this.#waiting.splice(0, GROUP_MAX);
    const calls = group.map(({ call }) => call);
    const crash = faults.crashInTransaction;
    if (crash !== undefined || !this.#isSynced) file.writing();
    const answers = this.#transactions.transact(calls);
    if (crash !== undefined) {
      faults.crashInTransaction = undefined;
      file.crash(crash);
      life.end();
      return;
    }
    if (this.#isSynced || file.wasCheckpointed) file.sync();
    onCommitted(calls, answers);
    life.later(dice.exponential(faults.slowMs), () => {
      for (const [at, { resolve, reject }] of group.entries()) {
        const { value, fault } = answers[at]!;
        if (fault === undefined) resolve(structuredClone(value));
        else reject(revive(fault));
      }
      this.#isBusy = false;
      if (this.#waiting.length > 0) this.#begin();
    });
  }

  /** Whether a commit ends with an fsync. */
  get #isSynced(): boolean {
    if (this.#ports.liesAboutSync) return false;
    return !this.#db?.isOpen || this.#db.syncsCommits;
  }
}

/** What agents and hubs open their databases with. */
export function openDatabaseIn(ports: (file: string) => DatabasePorts, opened: SimulatedDatabase[]): OpenDatabase {
  return (async ({ file, operations, options }: Parameters<OpenDatabase>[0]) => {
    const open = modules.get(operations.href);
    if (open === undefined) throw new Error(`${operations.href} is not loaded`);
    const database = new SimulatedDatabase(ports(file), open, structuredClone(options));
    opened.push(database);
    return database;
  }) as unknown as OpenDatabase;
}
