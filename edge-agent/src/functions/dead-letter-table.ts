/**
 * What functions of this device could not take, until it is run again or removed: runs in the database thread.
 *
 * A letter is kept in the transaction of the step that made it, and the hub is told of it in the same one. A function
 * that throws on every reading makes a letter with every step, so both have a bound: the oldest letters go first, and
 * over a rate the hub is told of the rest later, of as many as are still there.
 */
import type { DatabaseSync } from 'node:sqlite';
import { columnsOf, type LetterEnd, type Report, readingsOf } from '@weir/protocols';
import { type DeadInput, type DeadLetter, leftOfReplay } from '@weir/runtime';
import { encodeColumns, readColumns } from '../journal/columns-codec.ts';
import type { Outbox } from '../outbox/outbox.ts';
import type { Meta } from '../spool/schema.ts';
import { letterReport } from './dead-letter-report.ts';

export interface DeadLetterLimits {
  perFunctionMax: number;
  bytesPerFunctionMax: number;
  max: number;
  bytesMax: number;
  toldPerMinute: number;
}

export interface KeptLetter {
  letter: DeadLetter;
  /** How often it was run again. */
  replays: number;
}

/** A letter that was run again. */
export interface ReplayedLetter {
  id: string;
  /** At which it was; the letter that came of it, if any, is named by it. */
  position: string;
}

/** Letters of one function. */
export interface LettersWaiting {
  function: string;
  count: number;
  bytes: number;
}

interface Row {
  id: string;
  fold: string;
  at: number;
  bytes: number;
  replays: number;
  told: number;
  json: string;
  columns: Uint8Array | null;
}

type KeptInput = Exclude<DeadInput, { kind: 'readings' }> | { kind: 'readings'; device: string; count: number };

const MINUTE_MS = 60_000;

export class DeadLetterTable {
  #statements: ReturnType<typeof prepare>;
  #meta: Meta;
  #outbox: Outbox;
  #limits: DeadLetterLimits;
  /** Letters of each function that were told in this minute. */
  #telling = { minute: 0, told: new Map<string, number>() };

  constructor(db: DatabaseSync, meta: Meta, outbox: Outbox, limits: DeadLetterLimits) {
    this.#statements = prepare(db);
    this.#meta = meta;
    this.#outbox = outbox;
    this.#limits = limits;
  }

  /** @param replayed the one whose replay made these, if one did: it ends, or goes on under the name it has */
  add(letters: readonly DeadLetter[], replayed: ReplayedLetter | undefined, now: number): void {
    const before = replayed && this.#row(replayed.id);
    const again = before && leftOfReplay(letters, { ...before, ...replayed! });
    for (const letter of letters) if (letter !== again) this.#insert(letter, now);
    if (before === undefined) return;
    if (again === undefined) this.#remove(before, 'replayed', now);
    else this.#again(before, again, now);
  }

  /** Undefined: there is none, or the card has damaged it. */
  get(id: string): KeptLetter | undefined {
    const row = this.#row(id);
    return row && letterOf(row);
  }

  /** Of one that is not there the hub is told that: it may have it on its list. */
  end(id: string, reason: LetterEnd, now: number): void {
    const row = this.#row(id);
    if (row !== undefined) this.#remove(row, reason, now);
    else this.#report([{ type: 'dead-letter-gone', id, ts: now, reason: 'unknown' }], now);
  }

  /** Tells the hub of letters that it does not know, as far as the rate allows. @returns whether any are left */
  tell(now: number): boolean {
    const functions = this.#statements.untoldFunctions.all() as { fold: string }[];
    for (const { fold } of functions) {
      const rows = this.#statements.untoldOf.all(fold, this.#roomToTell(fold, now)) as unknown as Row[];
      for (const row of rows) if (this.#roomToTell(fold, now) > 0) this.#tell(row, now);
    }
    return this.#statements.untoldFunctions.all().length > 0;
  }

  waiting(): LettersWaiting[] {
    return this.#statements.byFunction.all() as unknown as LettersWaiting[];
  }

  #insert(letter: DeadLetter, now: number): void {
    const { json, columns, bytes } = written(letter);
    const { changes } = this.#statements.insert.run(letter.id, letter.fold, letter.at, bytes, json, columns);
    if (Number(changes) === 0) return;
    if (this.#roomToTell(letter.fold, now) > 0) this.#tell(this.#row(letter.id)!, now);
    this.#enforceBounds(letter.fold, now);
  }

  /** It keeps its name and the time at which its input came. */
  #again(before: Row, letter: DeadLetter, now: number): void {
    const { json, columns, bytes } = written(letter);
    this.#statements.replace.run(bytes, before.replays + 1, json, columns, before.id);
    this.#tell(this.#row(before.id)!, now);
    this.#enforceBounds(before.fold, now);
  }

  #enforceBounds(fold: string, now: number): void {
    const s = this.#statements;
    const { perFunctionMax, bytesPerFunctionMax, max, bytesMax } = this.#limits;
    for (;;) {
      const own = s.sizeOf.get(fold)!;
      const all = s.size.get()!;
      const isOver = (own.count as number) > perFunctionMax || (own.bytes as number) > bytesPerFunctionMax;
      if (!isOver && (all.count as number) <= max && (all.bytes as number) <= bytesMax) return;
      const oldest = (isOver ? s.oldestOf.get(fold) : s.oldest.get()) as unknown as Row;
      this.#meta.add('dead-letters-dropped', 1);
      this.#remove(oldest, 'dropped', now);
    }
  }

  #remove({ id, told }: Row, reason: LetterEnd, now: number): void {
    this.#statements.remove.run(id);
    if (told === 1) this.#report([{ type: 'dead-letter-gone', id, ts: now, reason }], now);
  }

  #tell(row: Row, now: number): void {
    this.#telling.told.set(row.fold, (this.#telling.told.get(row.fold) ?? 0) + 1);
    this.#statements.told.run(row.id);
    const kept = letterOf(row);
    if (kept !== undefined) this.#report([letterReport(kept.letter, kept.replays)], now);
  }

  #roomToTell(fold: string, now: number): number {
    if (!this.#outbox.hasRoomForReports) return 0;
    const minute = Math.floor(now / MINUTE_MS);
    if (minute !== this.#telling.minute) this.#telling = { minute, told: new Map() };
    return Math.max(0, this.#limits.toldPerMinute - (this.#telling.told.get(fold) ?? 0));
  }

  #report(reports: Report[], now: number): void {
    this.#outbox.addReports(reports, now);
  }

  #row(id: string): Row | undefined {
    return this.#statements.byId.get(id) as unknown as Row | undefined;
  }
}

/** What a row costs beside what is in it. */
const ROW_BYTES = 200;

function written({ id: _id, fold: _fold, at: _at, input, ...rest }: DeadLetter) {
  // The columns of a few readings come with the dictionary of their whole step.
  const columns = input.kind === 'readings' ? encodeColumns(columnsOf(readingsOf(input.columns))) : null;
  const kept: KeptInput =
    input.kind === 'readings' ? { kind: 'readings', device: input.device, count: input.columns.index.length } : input;
  const json = JSON.stringify({ ...rest, input: kept });
  return { json, columns, bytes: Buffer.byteLength(json) + (columns?.length ?? 0) + ROW_BYTES };
}

/** @returns undefined when the card has damaged it */
function letterOf({ id, fold, at, replays, json, columns }: Row): KeptLetter | undefined {
  const { input: kept, ...rest } = JSON.parse(json) as Omit<DeadLetter, 'id' | 'fold' | 'at' | 'input'> & {
    input: KeptInput;
  };
  const input = kept.kind === 'event' ? kept : readingsIn(kept, columns!);
  return input && { letter: { ...rest, id, fold, at, input }, replays };
}

function readingsIn(
  { kind, device, count }: KeptInput & { kind: 'readings' },
  bytes: Uint8Array,
): DeadInput | undefined {
  const columns = readColumns(bytes, count);
  return columns && { kind, device, columns };
}

function prepare(db: DatabaseSync) {
  return {
    // A step that is repeated makes the letter that it made before.
    insert: db.prepare('INSERT OR IGNORE INTO dead_letter VALUES (?, ?, ?, ?, 0, 0, ?, ?)'),
    replace: db.prepare('UPDATE dead_letter SET bytes = ?, replays = ?, json = ?, columns = ? WHERE id = ?'),
    told: db.prepare('UPDATE dead_letter SET told = 1 WHERE id = ?'),
    remove: db.prepare('DELETE FROM dead_letter WHERE id = ?'),
    byId: db.prepare('SELECT * FROM dead_letter WHERE id = ?'),
    untoldFunctions: db.prepare('SELECT DISTINCT fold FROM dead_letter WHERE told = 0 ORDER BY fold'),
    untoldOf: db.prepare('SELECT * FROM dead_letter WHERE told = 0 AND fold = ? ORDER BY rowid LIMIT ?'),
    oldest: db.prepare('SELECT * FROM dead_letter ORDER BY rowid LIMIT 1'),
    oldestOf: db.prepare('SELECT * FROM dead_letter WHERE rowid = (SELECT min(rowid) FROM dead_letter WHERE fold = ?)'),
    size: db.prepare('SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM dead_letter'),
    sizeOf: db.prepare('SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM dead_letter WHERE fold = ?'),
    byFunction: db.prepare(
      'SELECT fold AS function, count(*) AS count, sum(bytes) AS bytes FROM dead_letter GROUP BY fold ORDER BY fold',
    ),
  };
}
