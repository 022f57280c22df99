/** How far an agent is, seen from outside: by its database, read-only. */
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { COMMITTED_AT, frameAt } from './write-ahead-log.ts';

/**
 * To be closed before the next agent starts: as long as somebody has the database open, an agent does not recover it
 * after a kill as it would by itself.
 */
export class Progress {
  #db: DatabaseSync;
  #meta;
  #last;
  #publishes;
  /** The log, and its index. */
  #files: { log: number; index: number };

  constructor(data: string) {
    const file = join(data, 'spool.db');
    this.#db = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
    this.#meta = this.#db.prepare('SELECT value FROM meta WHERE key = ?');
    this.#last = this.#db.prepare('SELECT coalesce(max(id), 0) AS id FROM journal');
    this.#publishes = this.#db.prepare('SELECT count(*) AS n FROM publish');
    this.#files = { log: openSync(`${file}-wal`, 'r'), index: openSync(`${file}-shm`, 'r') };
  }

  /** Number of the last commit. */
  get step(): number {
    return this.#meta.get('step')!.value as number;
  }

  /** Its last input that was no row and brought something about, as `<row>.<how many since>`: the tick behind the last row, say. */
  get sinceRow(): string {
    return String(this.#meta.get('since-row')?.value);
  }

  /** Groups that no function has passed. */
  get lag(): number {
    // Rows that went to the hub in another form are gone.
    return Math.max(0, (this.#last.get()!.id as number) - (this.#meta.get('position')!.value as number));
  }

  /** Functions have passed everything, and everything was carried out. */
  get isIdle(): boolean {
    return this.lag === 0 && this.#publishes.get()!.n === 0;
  }

  /** Waits, with the processor, until a transaction begins to be written. @returns false when none did in time */
  nextWrite(ms: number): boolean {
    const deadline = performance.now() + ms;
    let frames = -1;
    let before = -1n;
    while (performance.now() < deadline) {
      const now = this.#read(this.#files.index, COMMITTED_AT, 4).readUInt32LE();
      // Its page, and whether it is the last of its transaction.
      const next = this.#read(this.#files.log, frameAt(now), 8).readBigUInt64LE();
      if (now === frames && next !== before) return true;
      [frames, before] = [now, next];
    }
    return false;
  }

  close(): void {
    this.#db.close();
    closeSync(this.#files.log);
    closeSync(this.#files.index);
  }

  #read(file: number, at: number, length: number): Buffer {
    ROOM.fill(0);
    readSync(file, ROOM, 0, length, at);
    return ROOM;
  }
}

const ROOM = Buffer.alloc(8);
