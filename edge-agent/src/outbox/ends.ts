/** What waits in each lane, from its first row to its last: runs in the database thread. */
import type { DatabaseSync } from 'node:sqlite';
import { LANES_BY_URGENCY, type Lane } from '@weir/protocols';
import { readColumns } from '../journal/columns-codec.ts';
import type { LaneAccount, Outbox } from './outbox.ts';

export interface LaneEnds {
  lane: Lane;
  /** Rows waiting, counted up to {@link ROWS_COUNTED}. */
  rows: number;
  /** Of what the first row holds, and the last: lowest and highest time it happened, ms since epoch. Undefined: none can be read. */
  oldestTs: number | undefined;
  newestTs: number | undefined;
}

/** To count more would keep those waiting who want to write. */
export const ROWS_COUNTED = 100_000;

export function endOperations(db: DatabaseSync, outbox: Outbox) {
  const count = db.prepare('SELECT count(*) AS rows FROM (SELECT 1 FROM outbox WHERE lane = ? LIMIT ?)');
  const row = (order: 'ASC' | 'DESC') =>
    db.prepare(
      `SELECT outbox.count, coalesce(outbox.payload, journal.bytes) AS payload
       FROM outbox LEFT JOIN journal ON journal.id = outbox.journal_id
       WHERE outbox.lane = ? ORDER BY outbox.seq ${order} LIMIT 1`,
    );
  const [first, last] = [row('ASC'), row('DESC')];
  const timesIn = (lane: Lane, statement: typeof first) => {
    const found = statement.get(lane) as { count: number; payload: Uint8Array | null } | undefined;
    return found?.payload ? timesOf(lane, found.payload, found.count) : [];
  };
  return {
    lanes: (): LaneAccount[] => outbox.accounts(),

    laneEnds: (): LaneEnds[] =>
      LANES_BY_URGENCY.map((lane) => {
        const oldest = timesIn(lane, first);
        const newest = timesIn(lane, last);
        return {
          lane,
          rows: count.get(lane, ROWS_COUNTED)!.rows as number,
          oldestTs: oldest.length === 0 ? undefined : Math.min(...oldest),
          newestTs: newest.length === 0 ? undefined : Math.max(...newest),
        };
      }),
  };
}

function timesOf(lane: Lane, payload: Uint8Array, count: number): number[] {
  if (lane === 'live' || lane === 'backfill') return [...(readColumns(payload, count)?.ts ?? [])];
  try {
    const json = JSON.parse(new TextDecoder().decode(payload)) as unknown;
    return [json].flat().flatMap((item) => {
      const { ts } = item as { ts?: unknown };
      return typeof ts === 'number' ? [ts] : [];
    });
  } catch {
    return [];
  }
}
