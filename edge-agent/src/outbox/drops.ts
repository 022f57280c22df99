/**
 * What was given up, until the hub is told of it: runs in the database thread.
 *
 *     untold     grows while what is next to it goes for the same reason; the nearest are joined when there are many
 *     told       is an item of the lane `report`, and does not change any more
 *     delivered  that item is acknowledged; the last ones are kept to look at
 *
 * Each item that is given up is in one range, and each range in one report. So a report of this lane that no bound may
 * touch is one that tells of a range.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { GapReason, GapReport, Lane } from '@weir/protocols';

export interface DroppedRange {
  lane: Lane;
  /** In which they were numbered. */
  epoch: string;
  /** Items `seq` to `through` - 1 … */
  seq: number;
  through: number;
  /** … of which so many were given up. */
  count: number;
  /** When the last of them was given up. */
  at: number;
  reason: GapReason;
  /** Event times of the earliest and the latest, where they are readings and it is known. */
  from: number | null;
  to: number | null;
}

/** A range as the status shows it. */
export interface KnownRange extends DroppedRange {
  /** Whether the hub has it. */
  told: boolean;
}

interface Row extends DroppedRange {
  id: number;
}

/** Ranges not yet told: more are joined. With long outages there may be a few for each run and reason beside them. */
const UNTOLD_MAX = 200;
/** Ranges kept to look at that the hub has. */
const DELIVERED_KEPT = 200;
/** Reports on their way: a hub that takes none of them must not fill the lane with them. */
const ON_THEIR_WAY_MAX = 50;

export class Drops {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: DatabaseSync) {
    this.#statements = prepare(db);
  }

  add(range: DroppedRange): void {
    const s = this.#statements;
    const { lane, epoch, seq, through, count, at, reason, from, to } = range;
    const before = s.endingAt.get(lane, epoch, reason, seq)?.id as number | undefined;
    if (before !== undefined) {
      s.extend.run({ id: before, seq, through, count, at, from, to });
      return;
    }
    s.insert.run(lane, epoch, seq, through, count, at, reason, from, to);
    if ((s.untold.get()!.count as number) > UNTOLD_MAX) this.#joinNearest();
  }

  /**
   * Takes back what was given up of items `seq` to `through` - 1, to be made part of another range.
   * @returns its event times; undefined: that is not all of them, or the hub was told of some
   */
  takeBetween(
    lane: Lane,
    epoch: string,
    seq: number,
    through: number,
    reason: GapReason,
  ): Pick<DroppedRange, 'from' | 'to'> | undefined {
    const s = this.#statements;
    const { count, from, to } = s.between.get(lane, epoch, reason, seq, through)! as Record<string, number | null>;
    if (count !== through - seq) return undefined;
    s.removeBetween.run(lane, epoch, reason, seq, through);
    return { from: from!, to: to! };
  }

  /** The next of which the hub is to be told, `max` at most. `told` is to be called for each that has become a report. */
  next(max: number, now: number): { id: number; report: GapReport }[] {
    const room = ON_THEIR_WAY_MAX - (this.#statements.onTheirWay.get()!.count as number);
    if (room <= 0) return [];
    const rows = this.#statements.oldestUntold.all(Math.min(max, room)) as unknown as Row[];
    return rows.map((row) => ({ id: row.id, report: reportOf(row, now) }));
  }

  /** It is item `seq` of the lane `report`. */
  told(id: number, seq: number): void {
    this.#statements.told.run(seq, id);
  }

  /** Items of the lane `report` below `through` have reached the hub. */
  delivered(through: number): void {
    const s = this.#statements;
    if (Number(s.delivered.run(through).changes) > 0) s.trim.run(DELIVERED_KEPT);
  }

  /** The card has damaged these reports: what they told of is to be told again. */
  damaged(seq: number, through: number): void {
    this.#statements.damaged.run(seq, through);
  }

  all(): KnownRange[] {
    return this.#statements.all.all().map((row) => ({ ...(row as unknown as KnownRange), told: row.told === 1 }));
  }

  #joinNearest(): void {
    const s = this.#statements;
    const pair = s.nearest.get() as { id: number; after: number } | undefined;
    if (pair === undefined) return;
    const { seq, through, count, at, from, to } = s.byId.get(pair.after) as unknown as Row;
    s.remove.run(pair.after);
    s.extend.run({ id: pair.id, seq, through, count, at, from, to });
  }
}

function reportOf({ lane, epoch, seq, through, count, at, reason, from, to }: DroppedRange, now: number): GapReport {
  return {
    type: 'gap',
    id: `${lane}/${epoch}/${seq}-${through}/${reason}`,
    ts: Math.min(at, now),
    lane,
    epoch,
    seq,
    through,
    count,
    reason,
    ...(from !== null && { from }),
    ...(to !== null && { to }),
  };
}

const COLUMNS = 'lane, epoch, seq, through, count, at, reason, from_ts AS "from", to_ts AS "to"';

const BETWEEN = 'told IS NULL AND lane = ? AND epoch = ? AND reason = ? AND seq >= ? AND through <= ?';

function prepare(db: DatabaseSync) {
  return {
    insert: db.prepare(
      `INSERT INTO dropped (lane, epoch, seq, through, count, at, reason, from_ts, to_ts)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    endingAt: db.prepare(
      'SELECT id FROM dropped WHERE told IS NULL AND lane = ? AND epoch = ? AND reason = ? AND through = ?',
    ),
    between: db.prepare(
      `SELECT sum(count) AS count, min(from_ts) AS "from", max(to_ts) AS "to" FROM dropped WHERE ${BETWEEN}`,
    ),
    removeBetween: db.prepare(`DELETE FROM dropped WHERE ${BETWEEN}`),
    extend: db.prepare(
      `UPDATE dropped SET seq = min(seq, :seq), through = max(through, :through), count = count + :count,
         at = max(at, :at), from_ts = coalesce(min(from_ts, :from), from_ts, :from),
         to_ts = coalesce(max(to_ts, :to), to_ts, :to) WHERE id = :id`,
    ),
    remove: db.prepare('DELETE FROM dropped WHERE id = ?'),
    byId: db.prepare(`SELECT id, ${COLUMNS} FROM dropped WHERE id = ?`),
    untold: db.prepare('SELECT count(*) AS count FROM dropped WHERE told IS NULL'),
    nearest: db.prepare(
      `SELECT id, after FROM (
         SELECT id, lead(id) OVER numbers AS after, lead(seq) OVER numbers - through AS hole FROM dropped
         WHERE told IS NULL WINDOW numbers AS (PARTITION BY lane, epoch, reason ORDER BY seq)
       ) WHERE after IS NOT NULL ORDER BY hole, id LIMIT 1`,
    ),
    onTheirWay: db.prepare('SELECT count(*) AS count FROM dropped WHERE told IS NOT NULL AND delivered = 0'),
    // The plus: SQLite reads a bare parameter as a limit when it plans, and plans anew for each that is bound.
    oldestUntold: db.prepare(`SELECT id, ${COLUMNS} FROM dropped WHERE told IS NULL ORDER BY id LIMIT +?`),
    told: db.prepare('UPDATE dropped SET told = ? WHERE id = ?'),
    delivered: db.prepare('UPDATE dropped SET delivered = 1 WHERE told < ? AND delivered = 0'),
    trim: db.prepare(
      `DELETE FROM dropped WHERE delivered = 1 AND id <= (
         SELECT id FROM dropped WHERE delivered = 1 ORDER BY id DESC LIMIT 1 OFFSET ?)`,
    ),
    damaged: db.prepare('UPDATE dropped SET told = NULL WHERE told >= ? AND told < ? AND delivered = 0'),
    all: db.prepare(`SELECT ${COLUMNS}, delivered AS told FROM dropped ORDER BY id`),
  };
}
