/** Cuts the outbox into batches for the uplink: joins small rows, splits large ones. Runs in the database thread. */
import type { DatabaseSync } from 'node:sqlite';
import {
  type AlertTransition,
  type Columns,
  concatColumns,
  encodeBatch,
  LANES,
  type Lane,
  sliceColumns,
} from '@weir/protocols';
import { decodeColumns } from '../journal/columns-codec.ts';

export interface BatchCut {
  itemsMax: number;
  /** Bytes of a payload. */
  bytesMax: number;
}

/** One message of the uplink. */
export interface UplinkBatch {
  lane: Lane;
  seq: number;
  count: number;
  payload: Uint8Array<ArrayBuffer>;
}

/** Next item of each lane that was not handed out on this connection. */
export type Cursors = Record<Lane, number>;

/** Batches wanted at most. */
export interface BatchRoom {
  /** Of all lanes together. */
  total: number;
  /** Of the lanes live and backfill together. */
  others: number;
  /** Of the lane backfill. */
  backfill: number;
}

/** Rows joined into one batch; bounds how long a commit waits behind the decoding of many small rows. */
const ROWS_MAX = 500;

interface Row {
  seq: number;
  count: number;
  payload: Uint8Array;
}

type Items = { kind: 'readings'; columns: Columns } | { kind: 'alerts'; alerts: AlertTransition[] };

export function batchOperations(db: DatabaseSync, epoch: string, cut: BatchCut) {
  const acked = db.prepare('SELECT acked FROM lane WHERE lane = ?');
  const start = db.prepare('SELECT max(seq) AS seq FROM outbox WHERE lane = ? AND seq <= ?');
  const rows = db.prepare(
    `SELECT outbox.seq, outbox.count, coalesce(outbox.payload, journal.bytes) AS payload
     FROM outbox LEFT JOIN journal ON journal.id = outbox.journal_id
     WHERE outbox.lane = ? AND outbox.seq >= ? ORDER BY outbox.seq LIMIT ${ROWS_MAX}`,
  );

  /** Rows without a hole between them, from the one that holds item `from`, or the next there is. */
  function run(lane: Lane, from: number): Row[] {
    const first = (start.get(lane, from)!.seq as number | null) ?? from;
    const found: Row[] = [];
    let items = 0;
    for (const row of rows.iterate(lane, first) as Iterable<unknown> as Iterable<Row>) {
      if (row.seq + row.count <= from) continue;
      const last = found.at(-1);
      if (last !== undefined && last.seq + last.count !== row.seq) break;
      found.push(row);
      items += row.count;
      if (items >= cut.itemsMax + found[0]!.count) break;
    }
    return found;
  }

  function next(lane: Lane, cursor: number): UplinkBatch | undefined {
    const from = Math.max(cursor, acked.get(lane)!.acked as number);
    const found = run(lane, from);
    if (found.length === 0) return undefined;
    const seq = Math.max(from, found[0]!.seq);
    const items = lane === 'alert' ? alertsOf(found) : readingsOf(found);
    return encode(lane, items, seq - found[0]!.seq, seq);
  }

  function encode(lane: Lane, items: Items, skip: number, seq: number): UplinkBatch {
    const there = items.kind === 'alerts' ? items.alerts.length : items.columns.index.length;
    for (let count = Math.min(there - skip, cut.itemsMax); ; count = Math.ceil(count / 2)) {
      const head = { epoch, seq, count };
      const payload =
        items.kind === 'alerts'
          ? encodeBatch({ ...head, kind: 'alerts', alerts: items.alerts.slice(skip, skip + count) })
          : encodeBatch({ ...head, kind: 'readings', columns: trimmed(items.columns, skip, skip + count) });
      if (payload.length <= cut.bytesMax || count === 1) return { lane, seq, count, payload };
    }
  }

  return {
    /** The next batches after the cursors, most urgent lane first. */
    nextBatches(cursors: Cursors, room: BatchRoom): UplinkBatch[] {
      const batches: UplinkBatch[] = [];
      const taken = (lanes: readonly Lane[]) => batches.filter(({ lane }) => lanes.includes(lane)).length;
      for (const lane of LANES) {
        let cursor = cursors[lane];
        const others = room.others - taken(['live', 'backfill']);
        const ofLane = { alert: room.total, live: others, backfill: Math.min(others, room.backfill) }[lane];
        for (let left = Math.min(ofLane, room.total - batches.length); left > 0; left--) {
          const batch = next(lane, cursor);
          if (batch === undefined) break;
          batches.push(batch);
          cursor = batch.seq + batch.count;
        }
      }
      return batches;
    },
  };
}

function alertsOf(rows: readonly Row[]): Items {
  const utf8 = new TextDecoder();
  return {
    kind: 'alerts',
    alerts: rows.flatMap(({ payload }) => JSON.parse(utf8.decode(payload)) as AlertTransition[]),
  };
}

function readingsOf(rows: readonly Row[]): Items {
  return { kind: 'readings', columns: concatColumns(rows.map(({ payload }) => decodeColumns(payload))) };
}

/** A slice whose dictionaries hold only what it uses. */
function trimmed(columns: Columns, from: number, to: number): Columns {
  if (from === 0 && to === columns.index.length) return columns;
  const slice = sliceColumns(columns, from, to);
  const kept = new Map<number, number>();
  const texts = new Map<number, number>();
  const numberOf = (map: Map<number, number>, key: number) => {
    const known = map.get(key);
    if (known !== undefined) return known;
    map.set(key, map.size);
    return map.size - 1;
  };
  for (let i = 0; i < slice.index.length; i++) {
    const series = slice.index[i]!;
    if (columns.series[series]!.kind === 'string') slice.values[i] = numberOf(texts, slice.values[i]!);
    slice.index[i] = numberOf(kept, series);
  }
  slice.series = [...kept.keys()].map((at) => columns.series[at]!);
  slice.strings = [...texts.keys()].map((at) => columns.strings[at]!);
  return slice;
}
