/**
 * Which run of the agent has numbered which items of a lane: runs in the database thread.
 *
 *     lane live     seq 0 … 41      epoch k3v9.a      numbered before the restart
 *                   seq 42 …        epoch k3v9.b      numbered since
 *
 * Numbers go on from run to run, and an item keeps the epoch in which it was numbered. So a device that goes on from an
 * old copy of its disk gives numbers again, but under a word of its own: they collide with none.
 *
 * The table is noted once more among the small values, which are on another page: under other words what was sent and is
 * not acknowledged would be stored twice.
 */
import assert from 'node:assert/strict';
import type { DatabaseSync } from 'node:sqlite';
import type { Lane } from '@weir/protocols';
import { type Meta, metaOf } from '../spool/schema.ts';

export interface RunOfItems {
  /** `<life>.<run>` */
  epoch: string;
  /** First item of the next run; Infinity when there is none yet. */
  end: number;
}

const NOTE_KEY = 'runs';

export class Runs {
  readonly #epoch: string;
  readonly #meta: Meta;
  readonly #statements: ReturnType<typeof prepare>;

  /** @param epoch of what is numbered from now on */
  constructor(db: DatabaseSync, epoch: string) {
    this.#epoch = epoch;
    this.#meta = metaOf(db);
    this.#statements = prepare(db);
  }

  /** Epoch of what is numbered now. */
  get current(): string {
    return this.#epoch;
  }

  /** Items from `seq` on are being numbered. In the transaction that does it: nothing is remembered beside the table. */
  number(lane: Lane, seq: number): void {
    if (this.#statements.last.get(lane)?.epoch === this.#epoch) return;
    this.#statements.insert.run(lane, seq, this.#epoch);
    this.#note();
  }

  of(lane: Lane, seq: number): RunOfItems {
    const row = this.#statements.of.get(lane, seq);
    assert(row !== undefined, `item ${seq} of ${lane} was numbered by no run`);
    const next = this.#statements.next.get(lane, seq)!.seq as number | null;
    return { epoch: row.epoch as string, end: next ?? Number.POSITIVE_INFINITY };
  }

  /** Forgets runs of which every item is below `through`. */
  forget(lane: Lane, through: number): void {
    if (this.#statements.forget.run(lane, lane, through).changes !== 0) this.#note();
  }

  #note(): void {
    const rows = this.#statements.all.all().map(({ lane, seq, epoch }) => [lane, seq, epoch]);
    this.#meta.set(NOTE_KEY, JSON.stringify(rows));
  }
}

/** Where the table was damaged: its rows by the note, as far as they are not there. */
export function restoreRuns(db: DatabaseSync): void {
  const insert = db.prepare('INSERT OR IGNORE INTO run (lane, seq, epoch) VALUES (?, ?, ?)');
  const json = metaOf(db).get(NOTE_KEY) as string | undefined;
  for (const row of JSON.parse(json ?? '[]') as [Lane, number, string][]) insert.run(...row);
}

function prepare(db: DatabaseSync) {
  return {
    all: db.prepare('SELECT lane, seq, epoch FROM run ORDER BY lane, seq'),
    last: db.prepare('SELECT epoch FROM run WHERE lane = ? ORDER BY seq DESC LIMIT 1'),
    insert: db.prepare('INSERT INTO run (lane, seq, epoch) VALUES (?, ?, ?)'),
    of: db.prepare('SELECT epoch FROM run WHERE lane = ? AND seq <= ? ORDER BY seq DESC LIMIT 1'),
    next: db.prepare('SELECT min(seq) AS seq FROM run WHERE lane = ? AND seq > ?'),
    forget: db.prepare(
      'DELETE FROM run WHERE lane = ? AND seq < (SELECT max(seq) FROM run WHERE lane = ? AND seq <= ?)',
    ),
  };
}
