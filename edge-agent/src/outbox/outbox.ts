/** The outbox's rows: runs in the database thread. */
import type { DatabaseSync } from 'node:sqlite';
import {
  type AlertTransition,
  type Columns,
  encodeReport,
  type GapReason,
  LANES_BY_URGENCY,
  type Lane,
  REPORT_BYTES_MAX,
  type Report,
} from '@weir/protocols';
import type { Eras, RowTime } from '../clock/eras.ts';
import { encodeColumns, readColumns } from '../journal/columns-codec.ts';
import { Bounds } from './bounds.ts';
import { type DroppedRange, Drops, type KnownRange } from './drops.ts';
import type { OutboxLimits } from './policies.ts';
import type { Runs } from './runs.ts';
import { timesOf } from './thinning.ts';

/** What a row costs beside its payload: its cells and its place in the index. */
const ROW_BYTES = 100;
/** Items that are noted as sent before they are: that many need no write of their own, … */
const SENT_AHEAD_MIN = 1_000;
/** … and of a long backlog an eighth, up to so many. */
const SENT_AHEAD_MAX = 100_000;

export interface LaneAccount {
  lane: Lane;
  nextSeq: number;
  /** Items below it were delivered or dropped. */
  acked: number;
  /** Items waiting, and their size with what the rows cost. */
  items: number;
  bytes: number;
  dropped: number;
  /** When the oldest row entered, ms since epoch. */
  oldestAt: number | undefined;
}

export type LaneSize = Pick<LaneAccount, 'nextSeq' | 'items' | 'bytes'>;

/** A row, as far as the accounts go. */
export interface Row extends RowTime {
  seq: number;
  count: number;
  bytes: number;
  journal_id: number | null;
}

/** What takes the place of rows. */
export interface NextRow {
  seq: number;
  count: number;
  payload: Uint8Array;
  createdAt: number;
  /** In which its times still are; null: they are as well known as they will be. */
  era: number | null;
  /** Which of them, one byte for each; null with that. */
  stamped: Uint8Array | null;
  /** In which its items were numbered anew. */
  generation: string;
}

/** How far the lane was thinned out, and searched for what may go. */
export interface Sweeps {
  level: number;
  thinFront: number;
  dropFront: number;
}

interface LaneRow {
  nextSeq: number;
  acked: number;
  items: number;
  bytes: number;
  dropped: number;
  sent: number;
  thinLevel: number;
  thinFront: number;
  dropFront: number;
}

/** Of the journal. */
export interface PassedRow {
  id: number;
  count: number;
  bytes: number;
  era: number | null;
}

/** Numbers items and keeps the accounts; to be used within one transaction. */
export class Outbox {
  #limits: OutboxLimits;
  #runs: Runs;
  #drops: Drops;
  #bounds: Bounds;
  /** By lane: one more than the last item that was handed out, or may have been by an earlier run. */
  #sent = new Map<Lane, number>();
  #eras: Eras;
  #statements: ReturnType<typeof prepare>;

  constructor(db: DatabaseSync, { runs, eras }: { runs: Runs; eras: Eras }, limits: OutboxLimits) {
    this.#limits = limits;
    this.#runs = runs;
    this.#eras = eras;
    this.#drops = new Drops(db);
    this.#bounds = new Bounds(db, this, { runs, eras, drops: this.#drops }, limits);
    this.#statements = prepare(db);
    for (const lane of LANES_BY_URGENCY) {
      const { sent, nextSeq: next } = this.#lane(lane);
      this.#sent.set(lane, Math.min(sent, next));
    }
  }

  /** The lane in which readings travel now. */
  laneForReadings(connected: boolean): Lane {
    if (!connected) return 'backfill';
    return this.#lane('live').bytes < this.#limits.liveBytesMax ? 'live' : 'backfill';
  }

  /** A journal row that the functions have passed; its bytes stay where they are. */
  addJournalRow(lane: Lane, row: PassedRow, now: number): void {
    this.#add(lane, row.count, row.bytes, now, row.id, null, this.#eras.openOf(row.era));
  }

  addReadings(lane: Lane, columns: Columns, now: number): void {
    const bytes = encodeColumns(columns);
    this.#add(lane, columns.index.length, bytes.length, now, null, bytes);
  }

  addAlerts(alerts: readonly AlertTransition[], now: number): void {
    const bytes = new TextEncoder().encode(JSON.stringify(alerts));
    this.#add('alert', alerts.length, bytes.length, now, null, bytes);
  }

  /** Each in a row of its own: of one that the card damages no other is lost. */
  addReports(reports: readonly Report[], now: number): void {
    for (const report of reports) {
      const bytes = new TextEncoder().encode(encodeReport(report));
      const seq = this.#add('report', 1, bytes.length, now, null, bytes);
      // The hub would refuse it.
      const row = { seq, count: 1, bytes: bytes.length + ROW_BYTES, journal_id: null, created_at: now, era: null };
      if (bytes.length > REPORT_BYTES_MAX) this.giveUp('report', row, 'size', now);
    }
  }

  /** False: reports that can wait should, half of the room is for those that cannot. */
  get hasRoomForReports(): boolean {
    return this.#lane('report').bytes < this.#limits.lanes.report.bytesMax / 2;
  }

  /** Everything below `through` has reached the hub. */
  acknowledge(lane: Lane, through: number): void {
    const s = this.#statements;
    const { acked } = this.#lane(lane);
    if (through <= acked) return;
    let items = 0;
    let bytes = 0;
    for (const row of s.below.all(lane, through) as unknown as Row[]) {
      items += Math.min(row.seq + row.count, through) - Math.max(row.seq, acked);
      if (row.seq + row.count > through) continue;
      bytes += row.bytes;
      this.#delete(lane, row);
    }
    s.delivered.run(through, items, bytes, lane);
    if (lane === 'report') this.#drops.delivered(through);
    if (this.#lane(lane).items === 0) s.sweptClean.run(lane);
    this.#runs.forget(lane, through);
  }

  /** Keeps the lanes within their bounds; what is given up is counted. */
  enforceBounds(now: number): void {
    this.#bounds.enforce(now);
  }

  /** @returns false: the policies let nothing old go */
  dropForDisk(now: number): boolean {
    return this.#bounds.dropForDisk(now);
  }

  /** Tells the hub of ranges that were given up, as reports. @returns how many */
  tellDrops(max: number, now: number): number {
    if (!this.hasRoomForReports) return 0;
    const told = this.#drops.next(max, now);
    for (const { id, report } of told) {
      const bytes = new TextEncoder().encode(encodeReport(report));
      this.#drops.told(id, this.#add('report', 1, bytes.length, now, null, bytes));
    }
    return told.length;
  }

  accounts(): LaneAccount[] {
    return LANES_BY_URGENCY.map((lane) => {
      const { nextSeq, acked, items, bytes, dropped } = this.#lane(lane);
      const oldest = this.#statements.oldest.get(lane);
      return {
        ...{ lane, nextSeq, acked, items, bytes, dropped },
        oldestAt: oldest && this.#eras.madeAt(oldest as unknown as RowTime),
      };
    });
  }

  droppedRanges(): KnownRange[] {
    return this.#drops.all();
  }

  sizeOf(lane: Lane): LaneSize {
    return this.#lane(lane);
  }

  /** The oldest row that may go: of reports, none that tells of a gap. */
  first(lane: Lane): Row | undefined {
    const s = this.#statements;
    return (lane === 'report' ? s.firstReport : s.oldest).get(lane) as unknown as Row | undefined;
  }

  /** The newest row that may go. */
  last(lane: Lane): Row | undefined {
    const s = this.#statements;
    return (lane === 'report' ? s.lastReport : s.newest).get(lane) as unknown as Row | undefined;
  }

  /** Items from here on are still known to this device alone: their numbers may change. */
  neverSentFrom(lane: Lane): number {
    return Math.max(this.#sent.get(lane)!, this.#lane(lane).acked);
  }

  /** Items below `through` are handed to the uplink. Noted ahead, so that it costs few writes. */
  handOut(lane: Lane, through: number): void {
    this.#sent.set(lane, Math.max(this.#sent.get(lane)!, through));
    const { sent, nextSeq: next } = this.#lane(lane);
    if (through <= sent) return;
    const ahead = Math.min(Math.max(Math.ceil((next - through) / 8), SENT_AHEAD_MIN), SENT_AHEAD_MAX);
    this.#statements.sent.run(through + ahead, lane);
  }

  sweepsOf(lane: Lane): Sweeps {
    const { thinLevel: level, thinFront, dropFront } = this.#lane(lane);
    return { level, thinFront, dropFront };
  }

  moveThin(lane: Lane, level: number, front: number): void {
    this.#statements.moveThin.run(level, front, lane);
  }

  moveDrop(lane: Lane, front: number): void {
    this.#statements.moveDrop.run(front, lane);
  }

  /** Puts other rows in the place of rows of one epoch without a hole that was told; `gap` is what they held beside them. */
  replace(lane: Lane, rows: readonly Row[], next: readonly NextRow[], gap: DroppedRange): void {
    const s = this.#statements;
    for (const row of rows) this.#delete(lane, row);
    let [dropped, bytes] = [sumOf(rows, 'count'), sumOf(rows, 'bytes')];
    for (const { seq, count, payload, createdAt, era, stamped, generation } of next) {
      const size = payload.length + ROW_BYTES;
      s.insert.run(lane, seq, count, size, createdAt, null, payload, era, stamped, generation);
      dropped -= count;
      bytes -= size;
    }
    s.gaveUp.run(dropped, bytes, dropped, lane);
    if (gap.count > 0) this.#drops.add(gap);
    this.#passGaps(lane);
  }

  #lane(lane: Lane): LaneRow {
    const row = this.#statements.lane.get(lane) as unknown as number[];
    const [nextSeq, acked, items, bytes, dropped, sent, thinLevel, thinFront, dropFront] = row;
    return { nextSeq, acked, items, bytes, dropped, sent, thinLevel, thinFront, dropFront } as LaneRow;
  }

  #add(
    lane: Lane,
    count: number,
    size: number,
    now: number,
    journalId: number | null,
    payload: Uint8Array | null,
    era = this.#eras.current,
  ) {
    const bytes = size + ROW_BYTES;
    const { next_seq: next } = this.#statements.number.get(count, count, bytes, lane)! as { next_seq: number };
    const seq = next - count;
    this.#runs.number(lane, seq);
    this.#statements.insert.run(lane, seq, count, bytes, now, journalId, payload, era, null, null);
    return seq;
  }

  #delete(lane: Lane, { seq, journal_id }: Row): void {
    this.#statements.remove.run(lane, seq);
    if (journal_id !== null) this.#statements.removeJournal.run(journal_id);
  }

  /** Takes a row out that was not delivered, and counts what is lost with it. */
  giveUp(lane: Lane, row: Row, reason: GapReason, now: number): void {
    const s = this.#statements;
    const from = Math.max(row.seq, this.#lane(lane).acked);
    const through = row.seq + row.count;
    const count = through - from;
    const times = this.#timesOf(lane, row, from - row.seq);
    this.#delete(lane, row);
    s.gaveUp.run(count, row.bytes, count, lane);
    if (lane === 'report') this.#drops.damaged(from, through);
    const { epoch } = this.#runs.of(lane, row.seq);
    this.#drops.add({ lane, epoch, seq: from, through, count, at: now, reason, ...times });
    this.#passGaps(lane);
  }

  /** Items before the first that is left are done with. */
  #passGaps(lane: Lane): void {
    const { acked, nextSeq: next } = this.#lane(lane);
    const first = (this.#statements.oldest.get(lane)?.seq as number | undefined) ?? next;
    if (first <= acked) return;
    this.#statements.passed.run(first, lane);
    this.#runs.forget(lane, first);
  }

  #timesOf(lane: Lane, { seq, count }: Row, skip: number): Pick<DroppedRange, 'from' | 'to'> {
    if (lane === 'alert' || lane === 'report') return { from: null, to: null };
    const row = this.#statements.payload.get(lane, seq) as (RowTime & { payload: Uint8Array | null }) | undefined;
    const columns = row?.payload ? readColumns(row.payload, count) : undefined;
    return { from: null, to: null, ...(columns && timesOf(this.#eras.columns(columns, row!), skip)) };
  }
}

function sumOf(rows: readonly Row[], what: 'count' | 'bytes'): number {
  return rows.reduce((sum, row) => sum + row[what], 0);
}

function prepare(db: DatabaseSync) {
  const row = 'SELECT seq, count, bytes, journal_id, created_at, era FROM outbox WHERE lane = ?';
  const lane = db.prepare(
    'SELECT next_seq, acked, items, bytes, dropped, sent, thin_level, thin_front, drop_front FROM lane WHERE lane = ?',
  );
  // Read a dozen times with every step: without an object for each, whose names are looked up.
  lane.setReturnArrays(true);
  const tellsOfNoGap = 'seq NOT IN (SELECT told FROM dropped WHERE told IS NOT NULL AND delivered = 0)';
  return {
    lane,
    number: db.prepare(
      'UPDATE lane SET next_seq = next_seq + ?, items = items + ?, bytes = bytes + ? WHERE lane = ? RETURNING next_seq',
    ),
    insert: db.prepare(
      `INSERT INTO outbox (lane, seq, count, bytes, created_at, journal_id, payload, era, stamped, generation)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    below: db.prepare(
      'SELECT seq, count, bytes, journal_id, created_at, era FROM outbox WHERE lane = ? AND seq < ? ORDER BY seq',
    ),
    oldest: db.prepare(`${row} ORDER BY seq LIMIT 1`),
    newest: db.prepare(`${row} ORDER BY seq DESC LIMIT 1`),
    firstReport: db.prepare(`${row} AND ${tellsOfNoGap} ORDER BY seq LIMIT 1`),
    lastReport: db.prepare(`${row} AND ${tellsOfNoGap} ORDER BY seq DESC LIMIT 1`),
    payload: db.prepare(
      `SELECT coalesce(outbox.payload, journal.bytes) AS payload, outbox.created_at, outbox.era,
         coalesce(outbox.stamped, journal.stamped) AS stamped
       FROM outbox LEFT JOIN journal ON journal.id = outbox.journal_id WHERE lane = ? AND seq = ?`,
    ),
    remove: db.prepare('DELETE FROM outbox WHERE lane = ? AND seq = ?'),
    removeJournal: db.prepare('DELETE FROM journal WHERE id = ?'),
    delivered: db.prepare('UPDATE lane SET acked = ?, items = items - ?, bytes = bytes - ? WHERE lane = ?'),
    gaveUp: db.prepare('UPDATE lane SET items = items - ?, bytes = bytes - ?, dropped = dropped + ? WHERE lane = ?'),
    passed: db.prepare('UPDATE lane SET acked = ? WHERE lane = ?'),
    sent: db.prepare('UPDATE lane SET sent = ? WHERE lane = ?'),
    moveThin: db.prepare('UPDATE lane SET thin_level = ?, thin_front = ? WHERE lane = ?'),
    moveDrop: db.prepare('UPDATE lane SET drop_front = ? WHERE lane = ?'),
    // What comes now is as good as new.
    sweptClean: db.prepare('UPDATE lane SET thin_level = 0, thin_front = 0, drop_front = 0 WHERE lane = ?'),
  };
}
