/**
 * Keeps each lane within its bounds: runs in the database thread, within the transaction that added something.
 *
 *     too old            the oldest go
 *     too much           1  what may be thinned out is, from the oldest on: row by row through the lane, then again at half
 *                           the resolution
 *                        2  the oldest go, but for what is to stay once it is there
 *                        3  what came last goes
 *
 * Thinning numbers what is left anew, in the numbers that the rows had, so that it still travels in few batches:
 *
 *     before    100 101 102 103 104 105        six readings of a series, a minute's worth
 *     after     100  x   x   x   x   x         the first of the minute is item 100; 101 to 105 are a gap
 *
 * An item that may have been sent keeps its number: only rows that never were are touched by it. An old copy of the disk may
 * hold it under another, so what is numbered anew is of a generation, @see generations.ts
 */
import type { DatabaseSync } from 'node:sqlite';
import { type Columns, concatColumns, type GapReason, LANES, type Lane, sliceColumns } from '@weir/protocols';
import type { Eras } from '../clock/eras.ts';
import { encodeColumns, readColumns } from '../journal/columns-codec.ts';
import type { Drops } from './drops.ts';
import { Generations } from './generations.ts';
import type { LaneSize, NextRow, Outbox, Row } from './outbox.ts';
import { LanePolicies, type OutboxLimits } from './policies.ts';
import type { Runs } from './runs.ts';
import { everyReading, ofMetrics, type Thinned, thinned } from './thinning.ts';

/** Rows and readings rewritten at a time: bounds how long a commit waits. */
const STRETCH_ROWS_MAX = 500;
const STRETCH_READINGS_MAX = 5_000;
/** Of rows from which only some readings go, so that no more go than must. */
const DROP_ROWS_MAX = 20;
/** A fiftieth of what fits into the lane, in rows of so many readings at most: they may have to go one by one. */
const ROWS_PER_LANE = 50;
/** What a reading takes at least, about. */
const READING_BYTES = 8;
/** Stretches looked at for one commit. What they do not free is dropped; the next commit goes on behind them. */
const STRETCHES_MAX = 50;
/**
 * Rows given up with one commit, unless what it brings needs more: where a bound was lowered, or the device was off for longer
 * than the age, a million may be too much at once. That would hold up sensors for minutes, and need as much room once more
 * in the log of a disk that may have none.
 */
const ROWS_GIVEN_UP_MAX = 1_000;

interface FullRow extends Row {
  payload: Uint8Array | null;
  generation: string | null;
}

/** Where a sweep through a lane goes on, and the row before it if that may be changed. */
interface Place {
  front: number;
  before: number | undefined;
}

interface StretchWanted {
  reason: GapReason;
  rowsMax: number;
  now: number;
}

interface Stretch {
  epoch: string;
  /** In which the times of all of it still are; null: they are set right. */
  era: number | null;
  /** For each of its readings, whether its time is of that; empty where they are right. */
  stamped: number[];
  rows: FullRow[];
  parts: Columns[];
  /** One more than the number of the last item. */
  through: number;
  /** Whether gaps between the rows became part of it, and the event times of these. */
  joined: number;
  from: number | null;
  to: number | null;
}

export class Bounds {
  readonly #outbox: Outbox;
  readonly #runs: Runs;
  readonly #drops: Drops;
  readonly #eras: Eras;
  readonly #limits: OutboxLimits;
  readonly #policies: Record<Lane, LanePolicies>;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #generations: Generations;
  /** Of each lane when it was looked at last: from commit to commit one that is over its bound gets no larger. */
  readonly #sizes = new Map<Lane, LaneSize>();

  constructor(db: DatabaseSync, outbox: Outbox, parts: { runs: Runs; drops: Drops; eras: Eras }, limits: OutboxLimits) {
    this.#outbox = outbox;
    this.#runs = parts.runs;
    this.#drops = parts.drops;
    this.#eras = parts.eras;
    this.#generations = new Generations(parts.runs.current);
    this.#limits = limits;
    this.#statements = prepare(db);
    const of = (lane: Lane) => new LanePolicies(limits.lanes[lane], limits.downsample);
    this.#policies = { alert: of('alert'), live: of('live'), backfill: of('backfill'), report: of('report') };
  }

  enforce(now: number): void {
    for (const lane of LANES) {
      let rows = ROWS_GIVEN_UP_MAX - this.#dropAged(lane, now);
      let stretches = this.#policies[lane].thins ? STRETCHES_MAX : 0;
      while (stretches > 0 && this.#excess(lane) !== undefined && this.#thin(lane, now)) {
        stretches--;
        // There may be more to be thinned out.
        if (stretches === 0) rows = 0;
      }
      this.#drop(lane, rows, now);
      this.#sizes.set(lane, this.#outbox.sizeOf(lane));
    }
  }

  /**
   * Makes room on a full disk, as the policy says: gives up the oldest readings that may go.
   * @returns false: there are none
   */
  dropForDisk(now: number): boolean {
    for (const lane of ['backfill', 'live'] as const) {
      if (!this.#policies[lane].dropsOldest) continue;
      if (this.#policies[lane].keepsOldest ? this.#dropSome(lane, 'disk', now) : this.#dropFirst(lane, 'disk', now)) {
        return true;
      }
    }
    return false;
  }

  /** @param rowsMax so many at most, unless the lane has grown */
  #drop(lane: Lane, rowsMax: number, now: number): void {
    const { keepsOldest, dropsOldest } = this.#policies[lane];
    let left = rowsMax;
    const mayRest = () => left-- <= 0 && !this.#hasGrown(lane);
    for (;;) {
      const reason = this.#excess(lane);
      if (reason === undefined || mayRest()) return;
      if (!dropsOldest) break;
      if (!(keepsOldest ? this.#dropSome(lane, reason, now) : this.#dropFirst(lane, reason, now))) break;
    }
    while (this.#excess(lane) !== undefined && !mayRest()) {
      const last = this.#outbox.last(lane);
      if (last === undefined) return;
      this.#outbox.giveUp(lane, last, 'newest', now);
    }
  }

  /** Over which bound the lane is. */
  #excess(lane: Lane): 'bytes' | 'rows' | undefined {
    const { bytesMax, rowsMax } = this.#limits.lanes[lane];
    const { items, bytes } = this.#outbox.sizeOf(lane);
    if (bytes > bytesMax) return 'bytes';
    return items > rowsMax ? 'rows' : undefined;
  }

  #hasGrown(lane: Lane): boolean {
    const before = this.#sizes.get(lane);
    const { items, bytes } = this.#outbox.sizeOf(lane);
    return before !== undefined && (items > before.items || bytes > before.bytes);
  }

  /** @returns how many rows were too old */
  #dropAged(lane: Lane, now: number): number {
    const oldestKept = now - this.#limits.lanes[lane].ageMax;
    for (let dropped = 0; ; dropped++) {
      const first = this.#outbox.first(lane);
      if (first === undefined || this.#eras.madeAt(first) >= oldestKept || dropped === ROWS_GIVEN_UP_MAX)
        return dropped;
      this.#outbox.giveUp(lane, first, 'age', now);
    }
  }

  #dropFirst(lane: Lane, reason: GapReason, now: number): boolean {
    const first = this.#outbox.first(lane);
    if (first === undefined) return false;
    this.#outbox.giveUp(lane, first, reason, now);
    return true;
  }

  /** Of the oldest rows, the readings that need not stay. */
  #dropSome(lane: Lane, reason: GapReason, now: number): boolean {
    const stays = (metric: string) => this.#policies[lane].policyOf(metric) === 'drop-newest';
    for (let left = STRETCHES_MAX, again = true; left > 0; left--) {
      const place = this.#place(lane, this.#outbox.sweepsOf(lane).dropFront);
      const stretch = this.#stretch(lane, place, { reason, rowsMax: DROP_ROWS_MAX, now });
      if (stretch === undefined) {
        if (!again) return false;
        again = false;
        this.#outbox.moveDrop(lane, 0);
        continue;
      }
      const kept = ofMetrics(concatColumns(stretch.parts), stays);
      this.#rewrite(lane, stretch, kept, reason, now);
      this.#outbox.moveDrop(lane, stretch.through);
      if (kept.dropped > 0) return true;
    }
    return false;
  }

  /** @returns false: nothing is left that can be thinned out further */
  #thin(lane: Lane, now: number): boolean {
    const policies = this.#policies[lane];
    const { level, thinFront } = this.#outbox.sweepsOf(lane);
    const place = this.#place(lane, thinFront);
    const stretch = this.#stretch(lane, place, { reason: 'downsampled', rowsMax: STRETCH_ROWS_MAX, now });
    if (stretch === undefined) {
      if (level + 1 >= policies.levels) return false;
      this.#outbox.moveThin(lane, level + 1, 0);
      return true;
    }
    const { seq } = stretch.rows[0]!;
    // What it begins with was thinned out already: of that nothing more goes.
    const before = seq === place.before ? undefined : this.#columnsBefore(lane, seq);
    const intervalOf = (metric: string) => policies.intervalOf(metric, level);
    this.#rewrite(lane, stretch, thinned(concatColumns(stretch.parts), intervalOf, before), 'downsampled', now);
    this.#outbox.moveThin(lane, level, stretch.through);
    return true;
  }

  #place(lane: Lane, swept: number): Place {
    const floor = this.#outbox.neverSentFrom(lane);
    const front = Math.max(swept, floor);
    const before = this.#statements.before.get(lane, front, floor) as { seq: number; count: number } | undefined;
    return { front, before: before && before.count < this.#rowReadingsMax(lane) ? before.seq : undefined };
  }

  /** It begins with the row before the front, if what follows can be joined to that. */
  #stretch(lane: Lane, { front, before }: Place, want: StretchWanted): Stretch | undefined {
    const joined = before === undefined ? undefined : this.#stretchFrom(lane, before, want);
    return joined !== undefined && joined.through > front ? joined : this.#stretchFrom(lane, front, want);
  }

  /** Rows from `from` on of one epoch, without a gap between them but such as can be made part of it. */
  #stretchFrom(lane: Lane, from: number, { reason, rowsMax, now }: StretchWanted): Stretch | undefined {
    const stretch: Stretch = {
      epoch: '',
      era: null,
      stamped: [],
      rows: [],
      parts: [],
      through: 0,
      joined: 0,
      from: null,
      to: null,
    };
    const damaged: Row[] = [];
    let [readings, end] = [0, 0];
    const { keepsOldest } = this.#policies[lane];
    // What came last may have to go, without what was there before.
    const newest = keepsOldest ? this.#newestFrom(lane) : Number.POSITIVE_INFINITY;
    for (const row of this.#statements.rows.iterate(lane, from, rowsMax) as Iterable<unknown> as Iterable<FullRow>) {
      const isFirst = stretch.rows.length === 0;
      if (!isFirst && (row.seq >= end || row.seq >= newest || readings + row.count > STRETCH_READINGS_MAX)) break;
      const columns = row.payload === null ? undefined : readColumns(row.payload, row.count);
      const era = this.#eras.unsettledOf(row.era);
      if (!isFirst && era !== stretch.era) break;
      if (columns === undefined) {
        damaged.push(row);
        if (isFirst) continue;
        break;
      }
      if (isFirst) {
        stretch.era = era;
        ({ epoch: stretch.epoch, end } = this.#runs.of(lane, row.seq));
      }
      if (!isFirst && row.seq > stretch.through && !this.#join(lane, stretch, row.seq, reason)) break;
      stretch.rows.push(row);
      if (era === null) stretch.parts.push(this.#eras.columns(columns, row));
      else {
        stretch.parts.push(columns);
        for (const each of this.#eras.stampedOf(columns, row)) stretch.stamped.push(each);
      }
      stretch.through = row.seq + row.count;
      readings += row.count;
    }
    for (const row of damaged) this.#outbox.giveUp(lane, row, 'damaged', now);
    return stretch.rows.length > 0 ? stretch : undefined;
  }

  /** The first row that came with this commit, as far as it is known; else the last that is there. */
  #newestFrom(lane: Lane): number {
    const { nextSeq = Number.POSITIVE_INFINITY } = this.#sizes.get(lane) ?? {};
    return Math.min(nextSeq, this.#outbox.last(lane)?.seq ?? nextSeq);
  }

  /** Makes what was given up before the row part of the stretch, if nobody was told of it. */
  #join(lane: Lane, stretch: Stretch, through: number, reason: GapReason): boolean {
    const times = this.#drops.takeBetween(lane, stretch.epoch, stretch.through, through, reason);
    if (times === undefined) return false;
    stretch.joined++;
    stretch.from = least(stretch.from, times.from);
    stretch.to = greatest(stretch.to, times.to);
    return true;
  }

  #rewrite(lane: Lane, stretch: Stretch, kept: Thinned, reason: GapReason, now: number): void {
    if (kept.dropped === 0 && stretch.joined === 0) return;
    const [first] = stretch.rows;
    const seq = first!.seq;
    const count = kept.columns.index.length;
    const next: NextRow[] = [];
    const createdAt = latest(
      stretch.rows.map((each) => (stretch.era === null ? this.#eras.madeAt(each) : each.created_at)),
    );
    const isKept = count >= first!.count && kept.places[first!.count - 1] === first!.count - 1;
    const generation = this.#generations.next(lane, {
      ...{ seq, through: stretch.through },
      ...(isKept && { kept: { generation: first!.generation, through: stretch.rows[1]?.seq ?? stretch.through } }),
    });
    const size = this.#rowReadingsMax(lane);
    for (let from = 0; from < count; from += size) {
      const part = count <= size ? kept.columns : everyReading(sliceColumns(kept.columns, from, from + size));
      const row = { seq: seq + from, count: part.index.length, payload: encodeColumns(part) };
      const places = kept.places.slice(from, from + size);
      const stamped = stretch.era === null ? null : Uint8Array.from(places, (at) => stretch.stamped[at]!);
      next.push({ ...row, createdAt, era: stretch.era, stamped, generation });
    }
    this.#outbox.replace(lane, stretch.rows, next, {
      lane,
      epoch: stretch.epoch,
      seq: seq + count,
      through: stretch.through,
      count: stretch.through - seq - count,
      at: now,
      reason,
      from: least(stretch.from, kept.from ?? null),
      to: greatest(stretch.to, kept.to ?? null),
    });
  }

  #rowReadingsMax(lane: Lane): number {
    const { rowsMax, bytesMax } = this.#limits.lanes[lane];
    const share = Math.floor(Math.min(rowsMax, bytesMax / READING_BYTES) / ROWS_PER_LANE);
    return Math.min(Math.max(share, 1), STRETCH_READINGS_MAX);
  }

  #columnsBefore(lane: Lane, seq: number): Columns | undefined {
    const row = this.#statements.rowBefore.get(lane, seq) as unknown as FullRow | undefined;
    const columns = row === undefined || row.payload === null ? undefined : readColumns(row.payload, row.count);
    return columns && this.#eras.columns(columns, row!);
  }
}

function least(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

function greatest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}

function latest(times: readonly number[]): number {
  return times.reduce((latest, at) => Math.max(latest, at), 0);
}

function prepare(db: DatabaseSync) {
  const rows = `SELECT outbox.seq, outbox.count, outbox.bytes, outbox.journal_id, outbox.created_at, outbox.era,
       outbox.generation, coalesce(outbox.stamped, journal.stamped) AS stamped,
       coalesce(outbox.payload, journal.bytes) AS payload
     FROM outbox LEFT JOIN journal ON journal.id = outbox.journal_id WHERE outbox.lane = ?`;
  return {
    // The plus: SQLite reads a bare parameter as a limit when it plans, and plans anew for each that is bound.
    rows: db.prepare(`${rows} AND outbox.seq >= ? ORDER BY outbox.seq LIMIT +?`),
    rowBefore: db.prepare(`${rows} AND outbox.seq < ? ORDER BY outbox.seq DESC LIMIT 1`),
    before: db.prepare(
      'SELECT seq, count FROM outbox WHERE lane = ? AND seq < ? AND seq >= ? ORDER BY seq DESC LIMIT 1',
    ),
  };
}
