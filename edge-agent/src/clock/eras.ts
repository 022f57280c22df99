/**
 * What is known of the times in the spool: runs in the database thread, within the transactions of others.
 *
 * Rows are written with the time as it is taken to be then. They say of which era that was, a span of one boot with
 * one offset to the monotonic clock. Is the time of an era known later, that is one row here, and whoever reads rows
 * of it gets them set right: nothing is written again, however much waits, and it holds for all of it at once.
 *
 *     era    settled   shift
 *     1          yes       0            time was known
 *     2          no        0            a boot without it, ended by a power cut …
 *     3          yes       +31,536,000  … and the next, in which it became known
 *
 * Of era 2 nobody will ever know more than that it was before 3: it keeps its place in the order, and its mark.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { AlertTransition, Columns, Report } from '@weir/protocols';
import { addColumn, type Meta, metaOf } from '../spool/schema.ts';
import type { Era, Learned, Stamp } from './agent-clock.ts';
import {
  type Correction,
  correctAlerts,
  correctColumns,
  correctGroup,
  correctReport,
  type Group,
  type StampedBy,
  stampedIn,
} from './restamp.ts';
import { AGREES_MS, isFelt, type KeptTime } from './timekeeping.ts';

const TABLE = `
CREATE TABLE IF NOT EXISTS era (
  id INTEGER PRIMARY KEY, boot TEXT NOT NULL, certainty TEXT NOT NULL, offset INTEGER NOT NULL, from_at INTEGER NOT NULL,
  to_at INTEGER, settled INTEGER NOT NULL, marked INTEGER NOT NULL, shift INTEGER NOT NULL DEFAULT 0,
  age_shift INTEGER NOT NULL DEFAULT 0
) STRICT;
`;
const COLUMNS: readonly [table: string, column: string, type: string][] = [
  ['journal', 'era', 'INTEGER'],
  ['journal', 'monotonic', 'INTEGER'],
  ['journal', 'stamped', 'BLOB'],
  ['outbox', 'era', 'INTEGER'],
  // Of rows that others were made into: those of the journal have their own.
  ['outbox', 'stamped', 'BLOB'],
];
/** A device that starts ten times a day, for three years; of older ones the times stay as they are. */
const KEPT_MAX = 10_000;
/** What is kept of the clock when nothing else is known of it: the boot that is now is another. */
const OF_ANOTHER_BOOT: Omit<KeptTime, 'at'> = {
  boot: '',
  certainty: 'unsynchronised',
  source: 'floor',
  offset: 0,
  unknownSince: undefined,
};

interface EraRow {
  id: number;
  boot: string;
  certainty: string;
  offset: number;
  from_at: number;
  to_at: number | null;
  settled: number;
  marked: number;
  shift: number;
  age_shift: number;
}

/** Where a row's times are from. */
export interface RowTime {
  /** Null: they were known. */
  era: number | null;
  created_at: number;
  /** Null: told by what they say. */
  stamped?: Uint8Array | null;
}

/** The same of a row of the journal. */
export interface JournalTime {
  era: number | null;
  monotonic: number | null;
  stamped: Uint8Array | null;
  received_at: number;
}

/** Adds to the spool's schema what is of the clock. */
export function makeClockSchema(db: DatabaseSync): void {
  db.exec(TABLE);
  for (const [table, column, type] of COLUMNS) addColumn(db, table, column, type);
}

export class Eras {
  #meta: Meta;
  #statements: ReturnType<typeof prepare>;
  /** In which what is added to the outbox now bears its times; null: they are known. */
  #current: number | null = null;

  constructor(db: DatabaseSync) {
    this.#meta = metaOf(db);
    this.#statements = prepare(db);
  }

  /** Keeps what a stamp refers to; what is added to the outbox from here on is of its time. @returns the era */
  note({ era, monotonic }: Stamp): number {
    const row = this.#row(era.id);
    if (row === undefined) this.#add(era);
    this.#meta.set('clock-at', monotonic + era.offset);
    this.#current = isOpen(row ?? era) ? era.id : null;
    return era.id;
  }

  /** The era of what is added to the outbox now, if its times may have to be set right. */
  get current(): number | null {
    return this.#current;
  }

  /** The era, if times in it are to be set right when they are read. */
  openOf(id: number | null): number | null {
    const row = id === null ? undefined : this.#row(id);
    return row !== undefined && isOpen(row) ? row.id : null;
  }

  /** The era, if its times may yet become known. */
  unsettledOf(id: number | null): number | null {
    const row = id === null ? undefined : this.#row(id);
    return row === undefined || row.settled === 1 ? null : row.id;
  }

  /** For each reading of such an era, 1 where its time is of that. */
  stampedOf(columns: Columns, { era, created_at: until, stamped }: RowTime): Uint8Array {
    return stampedIn(columns, { from: this.#row(era!)!.from_at, until, stamped: stamped ?? undefined });
  }

  columns(columns: Columns, row: RowTime): Columns {
    const found = this.#correction(row);
    return found === undefined ? columns : correctColumns(columns, found.by, found.correction);
  }

  alerts(alerts: AlertTransition[], row: RowTime): AlertTransition[] {
    const found = this.#correction(row);
    return found === undefined ? alerts : correctAlerts(alerts, found.by, found.correction);
  }

  report(report: Report, row: RowTime): Report {
    const found = this.#correction(row);
    return found === undefined ? report : correctReport(report, found.by, found.correction);
  }

  /** When a row was made: the latest it can have been, so that none is given up for its age in doubt. */
  madeAt({ era, created_at }: RowTime): number {
    const row = era === null ? undefined : this.#row(era);
    return row === undefined ? created_at : created_at + Math.max(row.shift, row.age_shift);
  }

  /** A group of the journal as it is known now. */
  arrival(columns: Columns, { era, monotonic, stamped, received_at: receivedAt }: JournalTime): Group {
    const offset = era === null ? 0 : (this.#row(era)?.offset ?? 0);
    return correctGroup({ columns, receivedAt }, { stamped, monotonic, offset }, this.correctionOf(era));
  }

  keep({ at, ...kept }: KeptTime): void {
    const before = this.kept();
    // The boot before came to its end where the clock was kept last.
    if (before !== undefined && before.boot !== kept.boot) this.#statements.end.run(before.at, kept.boot);
    this.#meta.set('clock', JSON.stringify(kept));
    this.#meta.set('clock-at', at);
  }

  /** Undefined: a new spool. Where a part of it was damaged: what is known by the eras. */
  kept(): (KeptTime & { lastEra: number }) | undefined {
    const json = this.#meta.get('clock') as string | undefined;
    const last = this.#statements.last.get() as { id: number | null; at: number | null };
    if (json === undefined && last.id === null) return undefined;
    const kept = json === undefined ? OF_ANOTHER_BOOT : (JSON.parse(json) as Omit<KeptTime, 'at'>);
    return { ...kept, at: (this.#meta.get('clock-at') as number | undefined) ?? last.at ?? 0, lastEra: last.id ?? 0 };
  }

  learn({ boot, offset, known, shift, now, kept }: Learned): void {
    const s = this.#statements;
    const start = (s.start.get(boot)!.at as number | null) ?? now - shift;
    s.learn.run(offset, +known, boot);
    // Clocks that agree are not told apart: a sensor's own time may be the same to the millisecond.
    if (known) s.agree.run(AGREES_MS, boot);
    if (known) this.#settleEarlier(boot, start + shift, isFelt(shift));
    this.keep(kept);
  }

  /**
   * Boots before this one, in which time never was known: they were over when this one began, and one before the other.
   * What they say stays, unless that cannot be.
   */
  #settleEarlier(boot: string, start: number, wasWrong: boolean): void {
    let limit = start;
    for (const row of this.#statements.unsettled.all(boot) as unknown as EraRow[]) {
      const end = row.to_at ?? row.from_at;
      const shift = Math.min(0, limit - end);
      const marked = row.marked === 1 || wasWrong || shift < 0;
      this.#statements.settle.run(shift, Math.max(0, start - end), +marked, row.id);
      limit = Math.min(limit, row.from_at + shift);
    }
  }

  /** What is to be done with times of the era; undefined: they are right as they are. */
  correctionOf(id: number | null): Correction | undefined {
    const row = id === null ? undefined : this.#row(id);
    if (row === undefined || (row.shift === 0 && row.marked === 0)) return undefined;
    return { shift: row.shift, isUncertain: row.marked === 1 };
  }

  #correction({ era, created_at, stamped }: RowTime): { by: StampedBy; correction: Correction } | undefined {
    const correction = this.correctionOf(era);
    if (correction === undefined) return undefined;
    const from = this.#row(era!)!.from_at;
    return { by: { from, until: created_at, stamped: stamped ?? undefined }, correction };
  }

  /** Read each time, by its number: what a transaction that failed had said of it must not stay. */
  #row(id: number): EraRow | undefined {
    return this.#statements.row.get(id) as unknown as EraRow | undefined;
  }

  #add({ id, boot, certainty, offset, fromAt }: Era): void {
    const s = this.#statements;
    s.add.run(id, boot, certainty, offset, fromAt, +(certainty === 'synchronised'), +(certainty === 'unsynchronised'));
    s.trim.run(id - KEPT_MAX);
  }
}

function isOpen({ certainty }: Pick<EraRow, 'certainty'>): boolean {
  return certainty !== 'synchronised';
}

/** As the agent calls them. */
export function clockOperations(eras: Eras) {
  return {
    keepTime(kept: KeptTime, stamp: Stamp): void {
      eras.keep(kept);
      eras.note(stamp);
    },

    keptTime(): (KeptTime & { lastEra: number }) | undefined {
      return eras.kept();
    },

    /** Where what functions keep need not be set right. */
    learnTime(learned: Learned): void {
      eras.learn(learned);
    },
  };
}

function prepare(db: DatabaseSync) {
  return {
    row: db.prepare('SELECT * FROM era WHERE id = ?'),
    last: db.prepare('SELECT max(id) AS id, max(coalesce(to_at, from_at)) AS at FROM era'),
    add: db.prepare(
      'INSERT INTO era (id, boot, certainty, offset, from_at, settled, marked) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    end: db.prepare('UPDATE era SET to_at = ? WHERE to_at IS NULL AND boot <> ?'),
    trim: db.prepare('DELETE FROM era WHERE id <= ?'),
    start: db.prepare('SELECT min(from_at + shift) AS at FROM era WHERE boot = ? AND settled = 0'),
    learn: db.prepare('UPDATE era SET shift = ?1 - offset, settled = ?2, marked = 0 WHERE boot = ?3 AND settled = 0'),
    agree: db.prepare('UPDATE era SET shift = 0 WHERE abs(shift) <= ? AND boot = ?'),
    unsettled: db.prepare('SELECT * FROM era WHERE boot <> ? AND settled = 0 ORDER BY id DESC'),
    settle: db.prepare('UPDATE era SET settled = 1, shift = ?, age_shift = ?, marked = ? WHERE id = ?'),
  };
}
