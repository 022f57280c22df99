/** The outbox's rows: runs in the database thread. */
import type { DatabaseSync } from 'node:sqlite';
import {
  type AlertTransition,
  type Columns,
  encodeReport,
  LANES,
  LANES_BY_URGENCY,
  type Lane,
  REPORT_BYTES_MAX,
  type Report,
} from '@weir/protocols';
import { encodeColumns } from '../journal/columns-codec.ts';
import type { Runs } from './runs.ts';

export interface OutboxLimits {
  /** Bytes of each of the lanes live and backfill. */
  bytesMax: number;
  alertBytesMax: number;
  reportBytesMax: number;
  /** Over it fresh readings enter the backfill lane. */
  liveBytesMax: number;
  ageMax: number;
}

/** What a row costs beside its payload: its cells and its place in the index. */
const ROW_BYTES = 100;
/** Ranges kept to look at; the counts are exact for ever. */
const DROPPED_RANGES_KEPT = 200;

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

export interface DroppedRange {
  lane: Lane;
  seq: number;
  count: number;
  at: number;
  /** Over the lane's bound, over its age, not readable any more, or larger than an item may be. */
  reason: 'bytes' | 'age' | 'damaged' | 'size';
}

/** A row, as far as the accounts go. */
export interface Row {
  seq: number;
  count: number;
  bytes: number;
  journal_id: number | null;
}

/** Numbers items and keeps the accounts; to be used within one transaction. */
export class Outbox {
  #limits: OutboxLimits;
  #runs: Runs;
  #statements: ReturnType<typeof prepare>;

  constructor(db: DatabaseSync, runs: Runs, limits: OutboxLimits) {
    this.#limits = limits;
    this.#runs = runs;
    this.#statements = prepare(db);
  }

  /** The lane in which readings travel now. */
  laneForReadings(connected: boolean): Lane {
    if (!connected) return 'backfill';
    const live = this.#statements.lane.get('live')!;
    return (live.bytes as number) < this.#limits.liveBytesMax ? 'live' : 'backfill';
  }

  /** A journal row that the functions have passed; its bytes stay where they are. */
  addJournalRow(lane: Lane, row: { id: number; count: number; bytes: number }, now: number): void {
    this.#add(lane, row.count, row.bytes, now, row.id, null);
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
      const row = { seq, count: 1, bytes: bytes.length + ROW_BYTES, journal_id: null };
      if (bytes.length > REPORT_BYTES_MAX) this.giveUp('report', row, 'size', now);
    }
  }

  /** False: reports that can wait should, half of the room is for those that cannot. */
  get hasRoomForReports(): boolean {
    return (this.#statements.lane.get('report')!.bytes as number) < this.#limits.reportBytesMax / 2;
  }

  /** Everything below `through` has reached the hub. */
  acknowledge(lane: Lane, through: number): void {
    const s = this.#statements;
    const acked = s.lane.get(lane)!.acked as number;
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
    this.#runs.forget(lane, through);
  }

  /** Gives up the oldest rows of lanes that are over their bound, and counts them. */
  enforceBounds(now: number): void {
    const { bytesMax: readings, alertBytesMax: alert, reportBytesMax: report } = this.#limits;
    const bounds: Record<Lane, number> = { alert, live: readings, backfill: readings, report };
    for (const lane of LANES) {
      const bytesMax = bounds[lane];
      while ((this.#statements.lane.get(lane)!.bytes as number) > bytesMax) this.#dropOldest(lane, 'bytes', now);
      for (;;) {
        const oldest = this.#statements.oldest.get(lane);
        if (oldest === undefined || (oldest.created_at as number) >= now - this.#limits.ageMax) break;
        this.#dropOldest(lane, 'age', now);
      }
    }
  }

  accounts(): LaneAccount[] {
    return LANES_BY_URGENCY.map((lane) => {
      const row = this.#statements.lane.get(lane)! as Record<string, number>;
      const oldest = this.#statements.oldest.get(lane);
      return {
        lane,
        nextSeq: row.next_seq!,
        acked: row.acked!,
        items: row.items!,
        bytes: row.bytes!,
        dropped: row.dropped!,
        oldestAt: oldest?.created_at as number | undefined,
      };
    });
  }

  droppedRanges(): DroppedRange[] {
    return this.#statements.ranges.all() as unknown as DroppedRange[];
  }

  #add(lane: Lane, count: number, size: number, now: number, journalId: number | null, payload: Uint8Array | null) {
    const bytes = size + ROW_BYTES;
    const { next_seq: next } = this.#statements.number.get(count, count, bytes, lane)! as { next_seq: number };
    const seq = next - count;
    this.#runs.number(lane, seq);
    this.#statements.insert.run(lane, seq, count, bytes, now, journalId, payload);
    return seq;
  }

  #delete(lane: Lane, { seq, journal_id }: Row): void {
    this.#statements.remove.run(lane, seq);
    if (journal_id !== null) this.#statements.removeJournal.run(journal_id);
  }

  /** Takes a row out that was not delivered, and counts what is lost with it. */
  giveUp(lane: Lane, row: Row, reason: DroppedRange['reason'], now: number): void {
    const s = this.#statements;
    const from = Math.max(row.seq, s.lane.get(lane)!.acked as number);
    const count = row.seq + row.count - from;
    this.#delete(lane, row);
    s.gaveUp.run(count, row.bytes, count, lane);
    const extended = s.extendRange.run(count, now, lane, from, reason).changes;
    if (extended === 0) s.addRange.run(lane, from, count, now, reason);
    s.trimRanges.run(DROPPED_RANGES_KEPT);
  }

  #dropOldest(lane: Lane, reason: DroppedRange['reason'], now: number): void {
    const row = this.#statements.oldest.get(lane)! as unknown as Row;
    this.giveUp(lane, row, reason, now);
    this.#statements.passed.run(row.seq + row.count, lane);
    this.#runs.forget(lane, row.seq + row.count);
  }
}

function prepare(db: DatabaseSync) {
  return {
    lane: db.prepare('SELECT * FROM lane WHERE lane = ?'),
    number: db.prepare(
      'UPDATE lane SET next_seq = next_seq + ?, items = items + ?, bytes = bytes + ? WHERE lane = ? RETURNING next_seq',
    ),
    insert: db.prepare(
      'INSERT INTO outbox (lane, seq, count, bytes, created_at, journal_id, payload) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    below: db.prepare('SELECT seq, count, bytes, journal_id FROM outbox WHERE lane = ? AND seq < ? ORDER BY seq'),
    oldest: db.prepare(
      'SELECT seq, count, bytes, journal_id, created_at FROM outbox WHERE lane = ? ORDER BY seq LIMIT 1',
    ),
    remove: db.prepare('DELETE FROM outbox WHERE lane = ? AND seq = ?'),
    removeJournal: db.prepare('DELETE FROM journal WHERE id = ?'),
    delivered: db.prepare('UPDATE lane SET acked = ?, items = items - ?, bytes = bytes - ? WHERE lane = ?'),
    gaveUp: db.prepare('UPDATE lane SET items = items - ?, bytes = bytes - ?, dropped = dropped + ? WHERE lane = ?'),
    passed: db.prepare('UPDATE lane SET acked = ? WHERE lane = ?'),
    extendRange: db.prepare(
      'UPDATE dropped SET count = count + ?, at = ? WHERE lane = ? AND seq + count = ? AND reason = ?',
    ),
    addRange: db.prepare('INSERT INTO dropped (lane, seq, count, at, reason) VALUES (?, ?, ?, ?, ?)'),
    trimRanges: db.prepare('DELETE FROM dropped WHERE id <= (SELECT max(id) FROM dropped) - ?'),
    ranges: db.prepare('SELECT lane, seq, count, at, reason FROM dropped ORDER BY id'),
  };
}
