/** Cuts the outbox into batches for the uplink: joins small rows, splits large ones. Runs in the database thread. */
import type { DatabaseSync } from 'node:sqlite';
import {
  type AlertTransition,
  type BatchHead,
  type Columns,
  concatColumns,
  encodeBatch,
  LANES_BY_URGENCY,
  type Lane,
  REPORTS_PER_BATCH_MAX,
  type Report,
  SERIES_MAX,
  sliceColumns,
} from '@weir/protocols';
import type { Eras, RowTime } from '../clock/eras.ts';
import { readColumns } from '../journal/columns-codec.ts';
import { compressed } from './compressed.ts';
import type { Outbox } from './outbox.ts';
import type { Runs } from './runs.ts';

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
  /** Of all lanes but alert together. */
  others: number;
  /** Of the lanes live and backfill together. */
  readings: number;
  /** Nothing of the lane live: it is gathered. */
  withoutLive?: boolean;
  report: number;
  backfill: number;
  /** Nothing of the lane backfill together with anything else: what is found goes at once. */
  backfillAlone?: boolean;
  /** Bytes of a payload of any lane as it is sent, about, if less than is configured. An item that is larger goes alone. */
  batchBytes?: number;
  /** Items of the lane backfill together. */
  backfillItems?: number;
  /** Rows of the lane backfill in one batch: many small ones take longer to read than what is in them. */
  backfillRows?: number;
}

interface Cut extends BatchCut {
  /** Bytes of a payload as it is sent. */
  sentBytesMax: number;
  rowsMax: number;
}

/** By how much payloads shrink is learned from the last few. */
const GAIN_SMOOTHING = 1 / 4;
/** A payload that shrinks less than those before it may be so much larger than was asked for. */
const SENT_SLACK = 1.5;
/** A reading takes about so much in a batch: as many rows are read as a batch may hold. */
const READING_BYTES = 4;
/** Rows joined into one batch; bounds how long a commit waits behind the decoding of many small rows. */
const ROWS_MAX = 500;

interface Row extends RowTime {
  seq: number;
  count: number;
  bytes: number;
  journal_id: number | null;
  payload: Uint8Array;
  generation: string | null;
}

type Items =
  | { kind: 'readings'; columns: Columns }
  | { kind: 'alerts'; alerts: AlertTransition[] }
  | { kind: 'reports'; reports: Report[] };

/** Items `seq` and on of one epoch and one generation, without a hole between them. */
interface Stretch {
  epoch: string;
  generation: string | null;
  seq: number;
  count: number;
  items: Items[];
}

export function batchOperations(
  db: DatabaseSync,
  outbox: Outbox,
  { runs, eras }: { runs: Runs; eras: Eras },
  cut: BatchCut,
) {
  const acked = db.prepare('SELECT acked FROM lane WHERE lane = ?');
  const start = db.prepare('SELECT max(seq) AS seq FROM outbox WHERE lane = ? AND seq <= ?');
  const rows = db.prepare(
    `SELECT outbox.seq, outbox.count, outbox.bytes, outbox.journal_id, outbox.created_at, outbox.era,
       coalesce(outbox.stamped, journal.stamped) AS stamped,
       coalesce(outbox.payload, journal.bytes) AS payload, outbox.generation
     FROM outbox LEFT JOIN journal ON journal.id = outbox.journal_id
     WHERE outbox.lane = ? AND outbox.seq >= ? ORDER BY outbox.seq LIMIT ${ROWS_MAX}`,
  );

  /** Bytes encoded for one byte sent. */
  const gain: Record<Lane, number> = { alert: 1, live: 1, report: 1, backfill: 1 };

  /** Rows from the one that holds item `from`, or the next there is; what the card has damaged is given up. */
  function read(lane: Lane, from: number, most: Cut, now: number): Stretch | undefined {
    const first = (start.get(lane, from)!.seq as number | null) ?? from;
    const run: Stretch = { epoch: '', generation: null, seq: from, count: 0, items: [] };
    let end = 0;
    let bytes = 0;
    const damaged: Row[] = [];
    let rowsRead = 0;
    for (const row of rows.iterate(lane, first) as Iterable<unknown> as Iterable<Row>) {
      if (row.seq + row.count <= from) continue;
      if (run.count > 0 && (run.seq + run.count !== row.seq || row.seq >= end || run.count + row.count > SERIES_MAX))
        break;
      if (run.count > 0 && run.generation !== row.generation) break;
      const items = itemsOf(lane, row, eras);
      if (items === undefined) damaged.push(row);
      else {
        if (run.count === 0) {
          run.seq = row.seq;
          run.generation = row.generation;
          ({ epoch: run.epoch, end } = runs.of(lane, row.seq));
        }
        run.items.push(items);
        run.count += row.count;
        bytes += row.bytes;
      }
      const got = run.seq + run.count - from;
      if (got >= most.itemsMax || (++rowsRead >= most.rowsMax && run.count > 0)) break;
      // A report is as large in a batch as it is here; small rows of readings shrink when they are joined.
      if (bytes >= most.bytesMax && (lane === 'report' || got * READING_BYTES >= most.bytesMax)) break;
    }
    for (const row of damaged) outbox.giveUp(lane, row, 'damaged', now);
    if (run.count > 0) return run;
    // As many as are read in one go: behind them may be some that are sound, and nobody would come back for them.
    return damaged.length < ROWS_MAX ? undefined : read(lane, from, most, now);
  }

  function next(lane: Lane, cursor: number, most: Cut, now: number): UplinkBatch | undefined {
    const from = Math.max(cursor, acked.get(lane)!.acked as number);
    const run = read(lane, from, most, now);
    if (run === undefined) return undefined;
    const { epoch } = run;
    const generation = run.generation ?? undefined;
    const seq = Math.max(from, run.seq);
    const skip = seq - run.seq;
    for (let count = Math.min(run.count - skip, most.itemsMax); ; ) {
      const plain = encode(run.items, skip, { epoch, seq, count, generation });
      const payload = plain.length <= most.bytesMax || count === 1 ? compressed(plain) : plain;
      if (count === 1 || (payload.length <= most.sentBytesMax && plain.length <= most.bytesMax)) {
        gain[lane] += (plain.length / payload.length - gain[lane]) * GAIN_SMOOTHING;
        return { lane, seq, count, payload };
      }
      // As many as fit if all are alike; if that many are too many again, they are not.
      const fitting = Math.floor(count * Math.min(most.bytesMax / plain.length, most.sentBytesMax / payload.length));
      count = Math.max(1, fitting < count * 0.95 ? fitting : count >> 1);
    }
  }

  return {
    /** The next batches after the cursors, most urgent lane first. */
    nextBatches(cursors: Cursors, room: BatchRoom, now: number): UplinkBatch[] {
      const batches: UplinkBatch[] = [];
      const sentBytesMax = room.batchBytes === undefined ? cut.bytesMax : room.batchBytes * SENT_SLACK;
      const bytesMax = (lane: Lane) => Math.min(cut.bytesMax, (room.batchBytes ?? cut.bytesMax) * gain[lane]);
      let backfillItems = room.backfillItems ?? Number.POSITIVE_INFINITY;
      const itemsMax = (lane: Lane) => {
        if (lane === 'report') return Math.min(cut.itemsMax, REPORTS_PER_BATCH_MAX);
        return lane === 'backfill' ? Math.min(cut.itemsMax, backfillItems) : cut.itemsMax;
      };
      const rowsMax = (lane: Lane) => (lane === 'backfill' ? (room.backfillRows ?? ROWS_MAX) : ROWS_MAX);
      const taken = (lanes: readonly Lane[]) => batches.filter(({ lane }) => lanes.includes(lane)).length;
      for (const lane of LANES_BY_URGENCY) {
        let cursor = cursors[lane];
        const others = room.others - taken(['live', 'report', 'backfill']);
        const readings = Math.min(others, room.readings - taken(['live', 'backfill']));
        const ofLane: number = {
          alert: room.total,
          live: room.withoutLive ? 0 : readings,
          report: Math.min(others, room.report),
          backfill: room.backfillAlone && batches.length > 0 ? 0 : Math.min(readings, room.backfill),
        }[lane];
        for (let left = Math.min(ofLane, room.total - batches.length); left > 0 && itemsMax(lane) > 0; left--) {
          const most = { itemsMax: itemsMax(lane), bytesMax: bytesMax(lane), sentBytesMax, rowsMax: rowsMax(lane) };
          const batch = next(lane, cursor, most, now);
          if (batch === undefined) break;
          batches.push(batch);
          outbox.handOut(lane, batch.seq + batch.count);
          cursor = batch.seq + batch.count;
          if (lane === 'backfill') backfillItems -= batch.count;
        }
      }
      return batches;
    },
  };
}

/** @returns undefined when the row is damaged */
function itemsOf(lane: Lane, row: Row, eras: Eras): Items | undefined {
  const { payload, count } = row;
  if (lane === 'live' || lane === 'backfill') {
    const columns = readColumns(payload, count);
    return columns && { kind: 'readings', columns: eras.columns(columns, row) };
  }
  try {
    const json = JSON.parse(new TextDecoder().decode(payload)) as unknown;
    if (lane === 'report') return { kind: 'reports', reports: [eras.report(json as Report, row)] };
    const alerts = json as AlertTransition[];
    return alerts.length === count ? { kind: 'alerts', alerts: eras.alerts(alerts, row) } : undefined;
  } catch {
    return undefined;
  }
}

/** The items of one lane are all of one kind. */
function encode(items: readonly Items[], skip: number, head: BatchHead): Uint8Array<ArrayBuffer> {
  const end = skip + head.count;
  const reports = items.flatMap((each) => (each.kind === 'reports' ? each.reports : []));
  if (reports.length > 0) return encodeBatch({ ...head, kind: 'reports', reports: reports.slice(skip, end) });
  const alerts = items.flatMap((each) => (each.kind === 'alerts' ? each.alerts : []));
  if (alerts.length > 0) return encodeBatch({ ...head, kind: 'alerts', alerts: alerts.slice(skip, end) });
  const columns = concatColumns(items.flatMap((each) => (each.kind === 'readings' ? [each.columns] : [])));
  return encodeBatch({ ...head, kind: 'readings', columns: trimmed(columns, skip, end) });
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
