/**
 * Puts a damaged database aside and a new one in its place, in steps of which each may be the last before a power cut.
 *
 *     spool.db                    the database
 *     spool.db.damaged            it was damaged; what can be read is being brought into
 *     spool.db.damaged-page       its first page, while it is read by another: see `damaged-file.ts`
 *     spool.db.new                the new one, which becomes spool.db when it is whole
 *     spool.db.damaged-<time>     kept to look at, a few of them within a bound
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { putBack } from './damaged-file.ts';
import { diskFault } from './disk-fault.ts';

export interface QuarantineLimits {
  filesMax: number;
  bytesMax: number;
}

export interface QuarantinedFile {
  name: string;
  bytes: number;
}

/** A power cut may come in between; what cannot be read through twice brings the process down perhaps. */
const ATTEMPTS_MAX = 2;
/** With less, a disk is full by others than by what is brought over: a new database could not take anything either. */
const FULL_BYTES = 64 * 1024 * 1024;
const KEPT = /\.damaged-\d{8}T\d{6}Z$/;

export class Quarantine {
  readonly #file: string;
  readonly #damaged: string;
  readonly #attempts: string;
  readonly #limits: QuarantineLimits;
  readonly #freeBytes: () => number;

  /** @param file path of the database, which nobody has open @param freeBytes of its disk */
  constructor(file: string, limits: QuarantineLimits, freeBytes = () => freeIn(dirname(file))) {
    this.#freeBytes = freeBytes;
    this.#file = file;
    this.#damaged = `${file}.damaged`;
    this.#attempts = `${file}.salvaging`;
    this.#limits = limits;
  }

  /** A salvage did not come to its end. */
  get isUnderWay(): boolean {
    return existsSync(this.#damaged) || existsSync(`${this.#damaged}-wal`);
  }

  /** Takes the database out of use. */
  begin(): void {
    for (const suffix of ['', '-wal']) {
      if (existsSync(this.#file + suffix)) renameSync(this.#file + suffix, this.#damaged + suffix);
    }
    rmSync(`${this.#file}-shm`, { force: true });
    this.#syncFolder();
  }

  /**
   * Brings what `salvage` makes of the damaged one into use.
   * @param salvage from one path to another; called with undefined when it is not to be tried any more
   */
  finish<T>(
    salvage: (from: string | undefined, to: string) => T,
    now: number,
  ): { outcome: T | undefined; name: string } {
    let outcome: T | undefined;
    // The new one may be in use already, and the old one not be put away.
    if (!existsSync(this.#file)) {
      this.begin();
      outcome = this.#salvage(salvage);
    }
    rmSync(this.#attempts, { force: true });
    putBack(this.#damaged);
    const kept = `${this.#damaged}-${new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')}`;
    for (const suffix of ['', '-wal']) {
      if (existsSync(this.#damaged + suffix)) renameSync(this.#damaged + suffix, kept + suffix);
    }
    rmSync(`${this.#damaged}-shm`, { force: true });
    this.#prune();
    this.#syncFolder();
    return { outcome, name: basename(kept) };
  }

  /** Newest first. */
  kept(): QuarantinedFile[] {
    const folder = dirname(this.#file);
    return readdirSync(folder)
      .filter((name) => name.startsWith(basename(this.#file)) && KEPT.test(name))
      .sort()
      .reverse()
      .map((name) => ({ name, bytes: sizeOf(join(folder, name)) + sizeOf(join(folder, `${name}-wal`)) }));
  }

  #salvage<T>(salvage: (from: string | undefined, to: string) => T): T {
    const attempt = existsSync(this.#attempts) ? Number(readFileSync(this.#attempts, 'utf8')) + 1 : 1;
    writeFileSync(this.#attempts, String(attempt), { mode: 0o600 });
    const next = `${this.#file}.new`;
    removeDatabase(next);
    let outcome: T;
    try {
      outcome = salvage(attempt <= ATTEMPTS_MAX ? this.#damaged : undefined, next);
      syncPath(next);
    } catch (error) {
      if (diskFault(error as Error) === 'full') this.#makeRoom(next);
      throw error;
    }
    renameSync(next, this.#file);
    this.#syncFolder();
    return outcome;
  }

  /**
   * That the disk is full says nothing of the damaged file: it is tried as often as it takes, with all the room there is. Where
   * there is room, and not for both, it is an attempt like any.
   */
  #makeRoom(next: string): void {
    removeDatabase(next);
    for (const { name } of this.kept()) removeDatabase(join(dirname(this.#file), name));
    if (this.#freeBytes() < FULL_BYTES) rmSync(this.#attempts, { force: true });
  }

  #prune(): void {
    let bytes = 0;
    for (const [at, file] of this.kept().entries()) {
      bytes += file.bytes;
      if (at < this.#limits.filesMax && bytes <= this.#limits.bytesMax) continue;
      removeDatabase(join(dirname(this.#file), file.name));
    }
  }

  #syncFolder(): void {
    syncPath(dirname(this.#file));
  }
}

function removeDatabase(path: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true });
}

function freeIn(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function syncPath(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
