/**
 * Brings what can be read of a damaged database into a new one, and makes the accounts of the new one true.
 *
 * Rows are taken one by one, around those that cannot be read: a damaged page takes its own rows along and no others. What
 * the accounts say was waiting and is not there any more was given up as `damaged`, by its numbers, and the hub is told. The
 * small tables, which say how things stand, come first; readings as long as there is time.
 */
import { DatabaseSync } from 'node:sqlite';
import { LANES_BY_URGENCY, type Lane } from '@weir/protocols';
import { makeClockSchema } from '../clock/eras.ts';
import { makeNoticeSchema } from '../notices/notice-table.ts';
import { Drops } from '../outbox/drops.ts';
import { restoreRuns } from '../outbox/runs.ts';
import { makeTrustSchema } from '../trust/trust-table.ts';
import { type DamagedDatabase, openDamaged } from './damaged-file.ts';
import type { Loss } from './loss.ts';
import { makeSchema, metaOf } from './schema.ts';
import { NOTE_KEY, noteSchema } from './schema-note.ts';
import { takeOutUnsoundWords, WORDS_OF_META } from './sound-words.ts';

export interface SalvageOptions {
  /** Words for the life and the run, should those of the damaged one be unreadable. */
  life: string;
  run: string;
  now: number;
  /** Asked now and then: false ends the copying of readings. */
  hasTime: () => boolean;
}

/** What became of a damaged database. */
export interface Salvaged extends Loss {
  /** Rows brought over, by table. */
  rows: Record<string, number>;
  /** Tables of which something could not be read. */
  damaged: string[];
}

type Row = Record<string, string | number | bigint | Uint8Array | null>;

/** The last moment that there is, ms since epoch. */
const DATE_MAX = 8.64e15;
/** By far the largest, and they refer to one another. */
const BULK = ['outbox', 'journal'];
const JSON_COLUMNS = ['json', 'config'];
/** Places tried around what cannot be read, of each table. */
const PROBES_MAX = 10_000;
const STEP_MAX = 4_096;
const ROWS_PER_TRANSACTION = 200;
/** Of a small table; pages that point back would never end. */
const ROWS_MAX = 100_000;

/** @param from undefined: nothing is to be read @param to where no file is */
export function salvage(from: string | undefined, to: string, options: SalvageOptions): Salvaged {
  const target = new DatabaseSync(to);
  let source: DamagedDatabase | undefined;
  try {
    // It is synced as a whole, and of no use before that.
    target.exec('PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF');
    makeSchema(target, options.life);
    makeClockSchema(target);
    makeTrustSchema(target);
    makeNoticeSchema(target);
    source = from === undefined ? undefined : openDamaged(from, { db: target, file: to });
    const outcome: Salvaged = { rows: {}, damaged: [], lostItems: 0, lostGroups: 0, uncounted: source === undefined };
    const tables = target
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
      .all();
    const names = tables.map(({ name }) => name as string).filter((name) => !BULK.includes(name));
    for (const name of [...names, ...BULK]) copyTable(source, target, name, outcome, options);
    if (source !== undefined) reconcile(source.db, target, outcome, options);
    noteSchema(target);
    metaOf(target).set('restored', JSON.stringify({ at: options.now, ...outcome, rows: undefined }));
    return outcome;
  } finally {
    target.close();
    source?.close();
  }
}

function copyTable(
  source: DamagedDatabase | undefined,
  target: DatabaseSync,
  table: string,
  outcome: Salvaged,
  { hasTime }: SalvageOptions,
): void {
  const columns = columnsOf(target, table);
  const insert = target.prepare(
    `INSERT OR REPLACE INTO "${table}" (${columns.map((name) => `"${name}"`).join()}) VALUES (${columns.map(() => '?').join()})`,
  );
  let rows = 0;
  const onDamage = () => {
    if (!outcome.damaged.includes(table)) outcome.damaged.push(table);
  };
  if (source === undefined) onDamage();
  else if (source.tables?.has(table) !== false) {
    target.exec('BEGIN');
    for (const row of readableRows(source.db, table, isWithoutRowid(target, table), onDamage)) {
      // Of where the tables began in another file; and the new one is of this agent's version.
      if (table === 'meta' && (row.key === NOTE_KEY || row.key === 'version')) continue;
      if (table === 'meta' && !isSoundValue(target, row)) {
        onDamage();
        continue;
      }
      if (!BULK.includes(table) && !columns.every((name) => isSoundText(row[name], isJson(table, row, name)))) {
        onDamage();
        continue;
      }
      try {
        insert.run(...columns.map((name) => row[name] ?? null));
      } catch (error) {
        // A value that its column does not take was damaged; on a full disk nothing more goes in.
        if (isFull(error)) throw error;
        onDamage();
        continue;
      }
      if (++rows % ROWS_PER_TRANSACTION !== 0) continue;
      target.exec('COMMIT; BEGIN');
      if (BULK.includes(table) && !hasTime()) {
        onDamage();
        break;
      }
    }
    target.exec('COMMIT');
  }
  outcome.rows[table] = rows;
}

/** Of the small values that are no JSON: what can be read may be no word, no number, or one that nothing can be added to. */
function isSoundValue(target: DatabaseSync, { key, value }: Row): boolean {
  const form = WORDS_OF_META.get(key as string);
  if (form !== undefined) return typeof value === 'string' && form.test(value);
  if (key === 'clock-at') return typeof value === 'number' && Math.abs(value) <= DATE_MAX;
  if (typeof metaOf(target).get(key as string) !== 'number') return true;
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Whether the column is read as JSON. */
function isJson(table: string, row: Row, column: string): boolean {
  return (
    JSON_COLUMNS.includes(column) || (table === 'meta' && column === 'value' && !WORDS_OF_META.has(row.key as string))
  );
}

/** What is read as JSON, or begins so, is JSON: else the agent would stumble over it again, at each start. */
function isSoundText(value: unknown, isReadAsJson: boolean): boolean {
  if (typeof value !== 'string' || (!isReadAsJson && !/^[[{]/.test(value))) return true;
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}

function* readableRows(db: DatabaseSync, table: string, withoutRowid: boolean, onDamage: () => void): Generator<Row> {
  if (withoutRowid) yield* fromBothEnds(db, table, onDamage);
  else yield* aroundDamage(db, table, onDamage);
}

/** Tables without a rowid are small: what cannot be read from one end, perhaps from the other. */
function* fromBothEnds(db: DatabaseSync, table: string, onDamage: () => void): Generator<Row> {
  for (const order of ['', reversedKey(db, table)]) {
    try {
      yield* db.prepare(`SELECT * FROM "${table}" ${order} LIMIT ${ROWS_MAX}`).iterate() as Iterable<Row>;
      return;
    } catch {
      onDamage();
    }
  }
}

function* aroundDamage(db: DatabaseSync, table: string, onDamage: () => void): Generator<Row> {
  let next = 0n;
  let step = 1n;
  for (let probes = 0; probes < PROBES_MAX; probes++) {
    try {
      const select = db.prepare(`SELECT rowid AS salvaged_rowid, * FROM "${table}" WHERE rowid >= ? ORDER BY rowid`);
      for (const row of select.iterate(next) as Iterable<Row>) {
        const rowid = BigInt(row.salvaged_rowid as number);
        // Pages that point back would never end.
        if (rowid < next) throw new Error('rows are out of order');
        yield row;
        next = rowid + 1n;
        step = 1n;
      }
      return;
    } catch (error) {
      if (isFull(error)) throw error;
      onDamage();
      next += step;
      step = step * 2n > STEP_MAX ? BigInt(STEP_MAX) : step * 2n;
    }
  }
}

function reversedKey(db: DatabaseSync, table: string): string {
  try {
    const keys = db.prepare('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk').all(table);
    return `ORDER BY ${keys.map(({ name }) => `"${name}" DESC`).join()}`;
  } catch {
    return '';
  }
}

/** What waits, what is lost and where the numbers go on. */
function reconcile(source: DatabaseSync, target: DatabaseSync, outcome: Salvaged, options: SalvageOptions): void {
  const meta = metaOf(target);
  outcome.damaged.push(...takeOutUnsoundWords(target).filter((table) => !outcome.damaged.includes(table)));
  const last = lastId(source, target);
  // Nothing can have been passed that never was there.
  if ((meta.get('position') as number) > last) {
    meta.set('position', 0);
    if (!outcome.damaged.includes('meta')) outcome.damaged.push('meta');
  }
  outcome.uncounted = outcome.damaged.includes('lane') || outcome.damaged.includes('meta');
  if (outcome.damaged.includes('run')) restoreRuns(target);
  const passed = target.prepare('SELECT max(journal_id) AS id FROM outbox').get()!.id as number | null;
  if (outcome.damaged.includes('meta')) meta.set('position', Math.max(meta.get('position') as number, passed ?? 0));
  target.exec(
    'DELETE FROM outbox WHERE journal_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM journal WHERE id = journal_id)',
  );
  const position = meta.get('position') as number;
  target
    .prepare('DELETE FROM journal WHERE id <= ? AND NOT EXISTS (SELECT 1 FROM outbox WHERE journal_id = journal.id)')
    .run(position);
  outcome.lostGroups = keepSequence(target, Math.max(last, position), position);
  // Those that told of gaps and are lost: their gaps are told again.
  target.exec(
    `UPDATE dropped SET told = NULL WHERE told IS NOT NULL AND delivered = 0
     AND told NOT IN (SELECT seq FROM outbox WHERE lane = 'report')`,
  );
  const drops = new Drops(target);
  for (const lane of LANES_BY_URGENCY) {
    const { lost, unnumbered } = reconcileLane(target, drops, lane, options);
    outcome.lostItems += lost;
    if (unnumbered > 0) outcome.uncounted = true;
  }
}

/** The greatest id of the journal that there has been: as the database says, or as is there. */
function lastId(source: DatabaseSync, target: DatabaseSync): number {
  const there = target
    .prepare('SELECT max(id) AS id FROM (SELECT id FROM journal UNION ALL SELECT journal_id FROM outbox)')
    .get()!.id as number | null;
  try {
    const given = source.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'journal'").get()?.seq;
    if (Number.isSafeInteger(given)) return Math.max(there ?? 0, given as number);
  } catch {
    // Not known: what was passed may be gone from the journal.
  }
  return Math.max(there ?? 0, metaOf(target).get('position') as number);
}

/** An id must not come again. @returns groups that were there behind `position`, and are not */
function keepSequence(target: DatabaseSync, last: number, position: number): number {
  target.prepare("DELETE FROM sqlite_sequence WHERE name = 'journal'").run();
  target.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES ('journal', ?)").run(last);
  const left = target.prepare('SELECT count(*) AS count FROM journal WHERE id > ?').get(position)!.count as number;
  return last - position - left;
}

interface Span {
  from: number;
  to: number;
}

/**
 * @returns items that are lost, and how many more the account says are, for which there are no numbers: then a byte of the
 *   account, or of a number, is wrong that can be read all the same
 */
function reconcileLane(
  target: DatabaseSync,
  drops: Drops,
  lane: Lane,
  { life, run, now }: SalvageOptions,
): { lost: number; unnumbered: number } {
  const rows = target.prepare('SELECT seq, count, bytes FROM outbox WHERE lane = ? ORDER BY seq').all(lane) as {
    seq: number;
    count: number;
    bytes: number;
  }[];
  const account = target.prepare('SELECT next_seq, acked, items FROM lane WHERE lane = ?').get(lane)!;
  const end = rows.at(-1) === undefined ? 0 : rows.at(-1)!.seq + rows.at(-1)!.count;
  // Runs that are known have given numbers, also where the account that says how many is lost.
  const { first, last } = target
    .prepare('SELECT min(seq) AS first, max(seq) AS last FROM run WHERE lane = ?')
    .get(lane) as {
    first: number | null;
    last: number | null;
  };
  const next = Math.max(account.next_seq as number, end, (last ?? -1) + 1);
  const acked = account.acked as number;
  // An account that knows fewer numbers than were given does not know either which of them were sent: all, perhaps.
  const sent = next > (account.next_seq as number) ? next : 0;
  const waiting = rows.reduce((sum, { seq, count }) => sum + seq + count - Math.max(seq, acked), 0);
  const missing = Math.max(0, (account.items as number) - waiting);
  // Items of which no run is known any more are as if numbered now.
  const unnamed = Math.min(rows[0]?.seq ?? next, acked);
  if (next > 0 && (first === null || first > unnamed)) {
    target
      .prepare('INSERT OR REPLACE INTO run (lane, seq, epoch) VALUES (?, ?, ?)')
      .run(lane, unnamed, `${life}.${run}`);
  }
  const lost = tellLost(target, drops, lane, { from: acked, to: next }, rows, missing, now);
  const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
  const start = rows[0] === undefined ? next : Math.max(acked, rows[0].seq);
  target
    .prepare(
      `UPDATE lane SET next_seq = ?, acked = ?, items = ?, bytes = ?, dropped = dropped + ?, sent = max(sent, ?),
         thin_level = 0, thin_front = 0, drop_front = 0 WHERE lane = ?`,
    )
    .run(next, start, waiting, bytes, lost, sent, lane);
  return { lost, unnumbered: missing - lost };
}

/** As gaps where nothing is left, and nothing was given up before. @returns how many of them */
function tellLost(
  target: DatabaseSync,
  drops: Drops,
  lane: Lane,
  span: Span,
  rows: readonly { seq: number; count: number }[],
  lost: number,
  now: number,
): number {
  const dropped = target
    .prepare('SELECT seq, through FROM dropped WHERE lane = ? AND count = through - seq ORDER BY seq')
    .all(lane) as { seq: number; through: number }[];
  const runs = target.prepare('SELECT seq, epoch FROM run WHERE lane = ? ORDER BY seq').all(lane) as {
    seq: number;
    epoch: string;
  }[];
  const taken = [
    ...rows.map(({ seq, count }) => ({ from: seq, to: seq + count })),
    ...dropped.map(({ seq, through }) => ({ from: seq, to: through })),
  ].sort((a, b) => a.from - b.from);
  let left = lost;
  for (const [at, { seq, epoch }] of runs.entries()) {
    const own = { from: Math.max(span.from, seq), to: Math.min(span.to, runs[at + 1]?.seq ?? span.to) };
    for (const hole of holesIn(own, taken)) {
      const count = Math.min(left, hole.to - hole.from);
      if (count <= 0) return lost;
      const range = { lane, epoch, seq: hole.from, through: hole.to, count, at: now, reason: 'damaged' as const };
      drops.add({ ...range, from: null, to: null });
      left -= count;
    }
  }
  return lost - left;
}

function holesIn({ from, to }: Span, taken: readonly Span[]): Span[] {
  const holes: Span[] = [];
  let at = from;
  for (const span of taken) {
    if (span.from > at && at < to) holes.push({ from: at, to: Math.min(span.from, to) });
    at = Math.max(at, span.to);
  }
  if (at < to) holes.push({ from: at, to });
  return holes;
}

function columnsOf(db: DatabaseSync, table: string): string[] {
  return db
    .prepare('SELECT name FROM pragma_table_info(?)')
    .all(table)
    .map(({ name }) => name as string);
}

function isWithoutRowid(db: DatabaseSync, table: string): boolean {
  return db.prepare('SELECT wr FROM pragma_table_list WHERE name = ?').get(table)!.wr === 1;
}

const FULL = 13;

function isFull(error: unknown): boolean {
  return (error as { errcode?: number }).errcode === FULL;
}
