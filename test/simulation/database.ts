/**
 * The database of one run without a thread: the same transactions on a disk that may be slow, full, broken, or gone.
 *
 *     call, call -> [ transaction ] -> later: both resolve
 *                   ^ may fail, may be the last thing that happens
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import {
  BoundedSync,
  type BoundedSyncOptions,
  type DatabaseAnswer,
  type DatabaseCall,
  faultOf,
  GROUP_MAX,
  type OpenDatabase,
  type OpenOperations,
  revive,
  SqliteError,
  type SqliteFigures,
  Transactions,
} from '@weir/runtime';
import { cloned } from './cloned.ts';
import type { Dice } from './dice.ts';
import type { CrashKind, DatabaseFile } from './disk.ts';
import type { Life } from './life.ts';
import type { Canary } from './options.ts';

/** What is wrong with a disk just now. */
export interface DiskFaults {
  /** No page can be had … */
  isFull: boolean;
  /** … but those of a ballast that was deleted. */
  roomPages: number;
  /** Of transactions that fail with EIO. */
  ioShare: number;
  /** ms, mean, that a transaction takes. */
  slowMs: number;
  /** Power may go soon: it is noted what is not synced, which costs a copy. */
  isAtRisk: boolean;
  /** The next transaction is the last thing that the run does. */
  crashInTransaction: CrashKind | undefined;
}

export function noDiskFaults(): DiskFaults {
  return { isFull: false, roomPages: 0, ioShare: 0, slowMs: 0.5, isAtRisk: false, crashInTransaction: undefined };
}

export interface DatabasePorts {
  life: Life;
  file: DatabaseFile;
  faults: DiskFaults;
  dice: Dice;
  /** Told of what was committed and is about to be answered; in order. */
  onCommitted(calls: readonly DatabaseCall[], answers: DatabaseAnswer): void;
  /** How it is broken, if it is: what the checkers must find. */
  canary: Canary | undefined;
  /** Pages after which the log is written into the database. */
  checkpointPages: number;
}

/** Modules of operations, loaded before a simulation begins: to load one takes a turn of the real event loop. */
const modules = new Map<string, OpenOperations>();

export async function loadOperations(...urls: string[]): Promise<void> {
  for (const url of urls) modules.set(url, ((await import(url)) as { open: OpenOperations }).open);
}

const IO_ERROR = 10;
const FULL_ERROR = 13;
const PAGES_MAX = 1_073_741_823;
/** Prepared once for each database. */
const OF_EVERY_CALL = new Set(['BEGIN IMMEDIATE', 'SAVEPOINT call', 'RELEASE call', 'COMMIT']);

/**
 * SQLite whose disk fails when it is to. A statement keeps its database: what a database has of statements, and of all
 * that it works with, would be kept for ever with it. So it lets go of both when it is closed.
 */
class FaultyDatabase extends DatabaseSync {
  #ports: DatabasePorts | undefined;
  #totalChanges: StatementSync | undefined;
  readonly #steps = new Map<string, StatementSync>();
  #changesBefore = 0;
  /** Of the disk, in pages; undefined: it is not full. */
  #room: number | undefined;

  constructor(path: string, ports: DatabasePorts) {
    // Nobody else has it open: what locks cost between processes is spared.
    super(new URL(`?vfs=unix-excl`, pathToFileURL(path)));
    this.#ports = ports;
    super.exec(`PRAGMA wal_autocheckpoint=${ports.checkpointPages}`);
    this.#totalChanges = this.prepare('SELECT total_changes()');
    this.#totalChanges.setReturnArrays(true);
  }

  override close(): void {
    super.close();
    this.#ports = this.#totalChanges = undefined;
    this.#steps.clear();
  }

  override exec(sql: string): void {
    const { faults, dice } = this.#ports!;
    if (sql === 'BEGIN IMMEDIATE') {
      this.#setRoom(faults.isFull ? faults.roomPages : undefined);
      this.#changesBefore = this.#changes;
      if (dice.chance(faults.ioShare / 2)) throw failure(IO_ERROR, 'disk I/O error');
    } else if (sql === 'COMMIT' && this.#changes > this.#changesBefore) {
      if (dice.chance(faults.ioShare / 2)) throw failure(IO_ERROR, 'disk I/O error');
      // The log has no room either; now and then there is a little left in it.
      if (faults.isFull && faults.roomPages === 0 && dice.chance(0.5))
        throw failure(FULL_ERROR, 'database or disk is full');
    }
    if (OF_EVERY_CALL.has(sql)) this.#step(sql).run();
    else super.exec(sql);
  }

  #step(sql: string): StatementSync {
    const known = this.#steps.get(sql);
    if (known !== undefined) return known;
    const step = this.prepare(sql);
    this.#steps.set(sql, step);
    return step;
  }

  /** What only reads does not need the disk to write. */
  get #changes(): number {
    return (this.#totalChanges!.get() as unknown as [number])[0];
  }

  #setRoom(room: number | undefined): void {
    if (room === this.#room) return;
    this.#room = room;
    const { page_count: pages } = this.prepare('PRAGMA page_count').get() as { page_count: number };
    super.exec(`PRAGMA max_page_count=${room === undefined ? PAGES_MAX : pages + room}`);
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

export interface DatabaseOptions {
  open: OpenOperations;
  options: unknown;
  boundedSync: BoundedSyncOptions | undefined;
}

export class SimulatedDatabase {
  readonly #ports: DatabasePorts;
  readonly #transactions: Transactions;
  readonly #sync: BoundedSync | undefined;
  readonly #syncEveryMs: number;
  readonly #figures: SqliteFigures = { commits: 0, syncs: 0 };
  #db: FaultyDatabase | undefined;
  #waiting: Pending[] = [];
  /** By id: carried out, or about to be. */
  readonly #unanswered = new Map<number, Pending>();
  #isBusy = false;
  #isClosed = false;
  #isSyncDue = false;
  #nextId = 1;
  #closing: Promise<void> | undefined;

  /** @throws {SqliteError} */
  constructor(ports: DatabasePorts, { open, options, boundedSync }: DatabaseOptions) {
    this.#ports = ports;
    this.#sync = boundedSync && new BoundedSync(boundedSync);
    this.#syncEveryMs = boundedSync?.everyMs ?? 0;
    try {
      this.#transactions = new Transactions(ports.file.path, open, options, {
        open: (path) => {
          // Also after a disk has failed, in the midst of a call: before that, the log is emptied.
          ports.file.emptied();
          this.#db = new FaultyDatabase(path, ports);
          return this.#db;
        },
        sync: () => {
          if (!ports.dice.chance(ports.faults.ioShare)) return;
          ports.file.syncFailed();
          if (ports.canary !== 'sync-never-fails') throw failure(IO_ERROR, 'disk I/O error');
        },
      });
      if (boundedSync !== undefined) this.#transactions.relax();
      ports.file.sync();
    } catch (error) {
      throw revive(faultOf(error));
    }
  }

  call(name: string, ...args: unknown[]): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(new SqliteError('closed', 'the database is closed'));
    const copied = cloned(args);
    return this.#ports.life.waitFor((resolve, reject) => {
      const done = this.#ports.canary === 'budget-forgotten' && name === 'spend' ? 'synced' : name;
      const pending = { call: { id: this.#nextId++, name: done, args: copied }, resolve, reject };
      this.#waiting.push(pending);
      this.#unanswered.set(pending.call.id, pending);
      this.#begin();
    });
  }

  callMoving(_transfer: readonly ArrayBuffer[], name: string, ...args: unknown[]): Promise<unknown> {
    return this.call(name, ...args);
  }

  async figures(): Promise<SqliteFigures> {
    return { ...this.#figures };
  }

  close(): Promise<void> {
    this.#closing ??= this.#ports.life.waitFor<void>((resolve) => {
      this.#isClosed = true;
      const finish = () => {
        if (this.#isBusy || this.#waiting.length > 0) {
          this.#ports.life.later(1, finish);
          return;
        }
        this.#syncNow();
        this.shut();
        // What closes it last writes the log into the database and syncs that, before the log is taken away.
        this.#ports.file.sync();
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
    const { life, faults, file, dice, canary, onCommitted } = this.#ports;
    const calls = this.#waiting.splice(0, GROUP_MAX).map(({ call }) => call);
    const crash = faults.crashInTransaction;
    // Its fsync does nothing until the log is checkpointed.
    const lies = canary === 'disk-lies';
    const isSynced = this.#sync === undefined && !lies;
    if (crash !== undefined) file.dying();
    const isAtRisk = faults.isAtRisk || faults.ioShare > 0 || lies;
    if (!isSynced && isAtRisk) file.writing();
    if (canary === 'commands-run-again') this.#db!.exec('DELETE FROM command_ended');
    const before = this.#transactions.changes;
    const answers = this.#transactions.transact(calls);
    if (crash !== undefined) {
      faults.crashInTransaction = undefined;
      file.crash(crash);
      life.end();
      return;
    }
    // SQLite syncs the log before it writes the database from it.
    if (isSynced || file.wasCheckpointed) file.sync();
    const wrote = this.#transactions.changes !== before;
    if (wrote) this.#figures.commits++;
    onCommitted(calls, answers);
    const now = this.#sync?.committed(calls, answers, wrote) ?? answers;
    if (this.#sync?.isDirty) this.#syncSoon();
    life.later(dice.exponential(faults.slowMs), () => {
      this.#answer(now);
      this.#isBusy = false;
      if (this.#waiting.length > 0) this.#begin();
    });
  }

  #answer(answers: DatabaseAnswer): void {
    for (const { id, value, fault } of answers) {
      const pending = this.#unanswered.get(id)!;
      this.#unanswered.delete(id);
      if (fault === undefined) pending.resolve(value);
      else pending.reject(revive(fault));
    }
  }

  #syncSoon(): void {
    if (this.#isSyncDue) return;
    this.#isSyncDue = true;
    this.#ports.life.later(this.#syncEveryMs, () => {
      this.#isSyncDue = false;
      this.#syncNow();
    });
  }

  #syncNow(): void {
    if (!this.#sync?.isDirty) return;
    try {
      this.#transactions.sync();
      this.#ports.file.sync();
      this.#figures.syncs++;
      this.#answer(this.#sync.synced());
    } catch (error) {
      const fault = faultOf(error);
      this.#ports.file.failingSince ??= this.#ports.life.now();
      this.#answer(this.#sync.synced().map(({ id }) => ({ id, fault })));
    }
  }
}

/** What agents and hubs open their databases with. */
export function openDatabaseIn(ports: (file: string) => DatabasePorts, opened: SimulatedDatabase[]): OpenDatabase {
  return (async ({ file, operations, options, boundedSync }: Parameters<OpenDatabase>[0]) => {
    const open = modules.get(operations.href);
    if (open === undefined) throw new Error(`${operations.href} is not loaded`);
    const database = new SimulatedDatabase(ports(file), { open, options: structuredClone(options), boundedSync });
    opened.push(database);
    return database;
  }) as unknown as OpenDatabase;
}
