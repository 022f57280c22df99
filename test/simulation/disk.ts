/**
 * The disk under one database: a file of real SQLite, and what a crash leaves of it.
 *
 *     written --fsync--> kept for certain
 *        \---- crash --> of what was written since the last fsync: all, nothing, a beginning, or some sectors of it
 *
 * A crash takes a copy of database and write-ahead log as they are, tears what was not synced, and the next run opens
 * the copy. What SQLite promises is kept to: a log that begins anew is synced with its head first, and the database
 * itself is only written from a log that is synced.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Dice } from './dice.ts';

/** `kill`: the system goes on, and with it whatever was written. `power`: what was not synced is as it may be. */
export type CrashKind = 'kill' | 'power';

/** What is in a database and its log. */
export interface Image {
  db: Buffer;
  wal: Buffer;
}

const SECTOR_BYTES = 512;
const WAL_HEAD_BYTES = 32;
const PAGE_BYTES = 4_096;
/** Of crashes with a transaction that ended in a checkpoint; the rest came before that. */
const WHILE_CHECKPOINTED_SHARE = 0.7;

export class DatabaseFile {
  readonly #folder: string;
  readonly #name: string;
  readonly #file: string;
  readonly #dice: Dice;
  #number = 0;
  /** As it was after the last fsync, if something was written since. */
  #synced: Image | undefined;
  /** As it was before the transaction in which the run is to die. */
  #before: Image | undefined;
  /** What the next run finds. */
  #left: Image | undefined;
  /** The system has let go of what it could not write: the next sync says yes, and does not write it either. */
  #isForgotten = false;
  /** When a sync failed first since the last that did not, ms since epoch; undefined: none has. */
  failingSince: number | undefined;

  /** @param file name of the database in its folder */
  constructor(folder: string, name: string, file: string, dice: Dice) {
    this.#folder = folder;
    this.#name = name;
    this.#file = file;
    this.#dice = dice;
  }

  /** That of the run, with whatever else is beside the database. */
  get folder(): string {
    return join(this.#folder, `${this.#name}-${this.#number}`);
  }

  get path(): string {
    return join(this.folder, this.#file);
  }

  /** Size of database and log. */
  get bytes(): number {
    const { db, wal } = this.#image();
    return db.length + wal.length;
  }

  /** For the next run. @returns the folder of the database */
  next(): string {
    const before = this.folder;
    const left = this.#left ?? (existsSync(this.path) ? this.#image() : undefined);
    for (const suffix of ['', '-wal', '-shm']) rmSync(this.path + suffix, { force: true });
    this.#left = undefined;
    this.#synced = this.#before = undefined;
    this.#isForgotten = false;
    this.#number++;
    mkdirSync(this.folder, { recursive: true });
    if (left !== undefined) this.#write(left);
    if (!existsSync(before)) return this.folder;
    for (const name of readdirSync(before)) renameSync(join(before, name), join(this.folder, name));
    rmSync(before, { recursive: true });
    return this.folder;
  }

  /** As a program finds it that copies it now. Undefined: there is none. */
  copy(): Image | undefined {
    return this.#left ?? (existsSync(this.path) ? this.#image() : undefined);
  }

  /** The next run finds this instead. */
  putBack(image: Image): void {
    this.#left = image;
  }

  /** Some of what it keeps is not what was written any more. @returns what, for a person */
  damage(): string {
    const left = this.#left ?? this.#image();
    const page = Math.floor((this.#dice.random() * left.db.length) / PAGE_BYTES);
    const kind = this.#dice.pick(['zeros', 'noise', 'sector'] as const);
    const length = kind === 'sector' ? SECTOR_BYTES : PAGE_BYTES;
    const at = page * PAGE_BYTES + (kind === 'sector' ? SECTOR_BYTES * this.#dice.int(0, 7) : 0);
    const bytes = kind === 'zeros' ? new Uint8Array(length) : this.#dice.bytes(length);
    if (this.#left !== undefined) left.db.set(bytes, at);
    else overwrite(this.path, bytes, at);
    return `page ${page + 1} of ${left.db.length / PAGE_BYTES}: ${kind}`;
  }

  /** Something is going to be written that is not synced. */
  writing(): void {
    this.#synced ??= this.#image();
  }

  /** The run is going to die while it writes. */
  dying(): void {
    this.#before = this.#image();
  }

  /** All that was written is kept for certain. */
  sync(): void {
    if (this.#isForgotten) return;
    this.#synced = undefined;
    this.failingSince = undefined;
  }

  /** @see https://www.usenix.org/conference/atc20/presentation/rebello as ext4 does it */
  syncFailed(): void {
    this.#isForgotten = this.#synced !== undefined;
  }

  /** The log was written into the database, that was synced, and the log begins anew. */
  emptied(): void {
    this.#isForgotten = false;
    this.failingSince = undefined;
    if (this.#synced !== undefined) this.#synced = this.#image();
    if (this.#before !== undefined) this.#before = this.#image();
  }

  /** Whether the database itself was written since the last fsync: then SQLite has synced the log before. */
  get wasCheckpointed(): boolean {
    return this.#synced !== undefined && !this.#isForgotten && !this.#synced.db.equals(readFileSync(this.path));
  }

  /** Once for each run; what a transaction has left that was the last thing to happen stays. */
  crash(kind: CrashKind): void {
    if (this.#left !== undefined || !existsSync(this.path)) return;
    const written = this.#image();
    // What was written before by a program that is killed the system still writes.
    const certain = kind === 'kill' ? this.#before : (this.#synced ?? this.#before);
    this.#left = certain === undefined ? written : this.#torn(certain, written, kind);
    this.#synced = this.#before = undefined;
  }

  #write({ db, wal }: Image): void {
    writeFileSync(this.path, db);
    writeFileSync(`${this.path}-wal`, wal);
  }

  #image(): Image {
    const wal = `${this.path}-wal`;
    return { db: readFileSync(this.path), wal: existsSync(wal) ? readFileSync(wal) : Buffer.alloc(0) };
  }

  #torn(synced: Image, written: Image, kind: CrashKind): Image {
    const isCheckpointed = !synced.db.equals(written.db);
    if (isCheckpointed && this.#dice.chance(WHILE_CHECKPOINTED_SHARE)) {
      // It is written from the log, which was synced before that, and is there until the database is synced, too.
      return { db: kind === 'kill' ? written.db : this.#mixed(synced.db, written.db), wal: written.wal };
    }
    // What was written before a crash in the log is not in the database: that would have been synced.
    const wal = kind === 'kill' ? this.#begun(synced.wal, written.wal) : this.#mixed(synced.wal, written.wal);
    written.wal.copy(wal, 0, 0, Math.min(WAL_HEAD_BYTES, wal.length));
    return { db: synced.db, wal };
  }

  /** A beginning of what was written, cut anywhere; behind it what was there before. */
  #begun(before: Buffer, after: Buffer): Buffer {
    const from = firstDifference(before, after);
    const cut = this.#dice.int(from, after.length);
    return Buffer.concat([after.subarray(0, cut), before.subarray(cut)]);
  }

  /** Some sectors of what was written, in no order; the file may have grown by less than it was to, or by zeros. */
  #mixed(before: Buffer, after: Buffer): Buffer {
    const length = before.length >= after.length ? after.length : this.#dice.int(before.length, after.length);
    const mixed = Buffer.alloc(length);
    before.copy(mixed, 0, 0, Math.min(before.length, length));
    const share = this.#dice.pick([0, 0.5, 0.9, 1]);
    for (let at = 0; at < length; at += SECTOR_BYTES) {
      const end = Math.min(at + SECTOR_BYTES, length);
      if (this.#dice.chance(share)) after.copy(mixed, at, at, end);
    }
    return mixed;
  }
}

function overwrite(path: string, bytes: Uint8Array, at: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}

function firstDifference(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return at;
  return length;
}
