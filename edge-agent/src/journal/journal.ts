/** The journal's rows: runs in the database thread. */
import type { DatabaseSync } from 'node:sqlite';
import type { Columns } from '@weir/protocols';
import type { Stamp } from '../clock/agent-clock.ts';
import type { Eras, JournalTime } from '../clock/eras.ts';
import type { Correction } from '../clock/restamp.ts';
import { type Meta, metaOf } from '../spool/schema.ts';
import { encodeColumns, readColumns } from './columns-codec.ts';

/** A payload that was no reading. */
export interface Refusal {
  at: number;
  topic: string;
  /** A closed list, also a metric label. */
  reason: string;
  detail: string;
  /** First bytes of the payload, at most {@link REFUSED_HEAD_BYTES}. */
  head: Uint8Array;
}

/** What became durable together. */
export interface Arrival {
  /** Undefined when everything was refused. */
  columns: Columns | undefined;
  /** ms since epoch */
  receivedAt: number;
  /** How many readings bear a time ahead of the device's clock. */
  future: number;
  refused: { counts: Record<string, number>; last: Refusal[] } | undefined;
  /** Undefined: the clock is right. */
  time?: ArrivalTime | undefined;
}

export interface ArrivalTime {
  stamp: Stamp;
  /** By readings, or one for all: 1 where their time is this clock's. Undefined: it is known. */
  stamped: Uint8Array | undefined;
}

export interface Appended {
  /** Position of the group; 0 when there were no readings. */
  id: number;
  /** Size of the row. */
  bytes: number;
  /** What is to be done with times of this clock before they are handed on. */
  correction?: Correction | undefined;
}

export interface JournalGroup {
  id: number;
  receivedAt: number;
  columns: Columns;
  bytes: number;
}

/** What was read back. */
export interface JournalRead {
  /** Oldest first. */
  groups: JournalGroup[];
  /** Of rows that the card has damaged, and that are taken out. */
  damagedBytes: number;
}

interface Row extends JournalTime {
  id: number;
  count: number;
  bytes: Uint8Array;
}

/** Reason under which readings are counted that were acknowledged, and that the card did not keep. */
const DAMAGED = 'journal-damaged';

export const REFUSED_HEAD_BYTES = 256;
/** Refused payloads kept to look at. */
export const REFUSED_KEPT = 1_000;

export function journalOperations(db: DatabaseSync, eras: Eras) {
  const meta = metaOf(db);
  const insert = db.prepare(
    'INSERT INTO journal (received_at, count, bytes, era, monotonic, stamped) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const select = db.prepare(
    'SELECT id, received_at, count, bytes, era, monotonic, stamped FROM journal WHERE id > ? ORDER BY id',
  );
  const remove = db.prepare('DELETE FROM journal WHERE id = ?');
  const refuse = refusals(db);
  return {
    append({ columns, receivedAt, future, refused, time }: Arrival): Appended {
      const era = time === undefined ? null : eras.note(time.stamp);
      if (refused !== undefined) refuse(refused);
      if (columns === undefined) return { id: 0, bytes: 0 };
      const bytes = encodeColumns(columns);
      const [monotonic, stamped] = [time?.stamp.monotonic ?? null, time?.stamped ?? null];
      const { lastInsertRowid } = insert.run(receivedAt, columns.index.length, bytes, era, monotonic, stamped);
      meta.add('accepted', columns.index.length);
      if (future > 0) meta.add('future', future);
      return { id: Number(lastInsertRowid), bytes: bytes.length, correction: eras.correctionOf(era) };
    },

    /**
     * Groups after a position, oldest first, until `readingsMax` is reached; at least one if there is any. A row that
     * the card has damaged is taken out and counted: it must not stop those behind it.
     */
    journalAfter(position: number, readingsMax: number): JournalRead {
      const groups: JournalGroup[] = [];
      const damaged: { id: number; count: number }[] = [];
      let readings = 0;
      let damagedBytes = 0;
      for (const row of select.iterate(position) as Iterable<unknown> as Iterable<Row>) {
        const { id, count, bytes } = row;
        const columns = readColumns(bytes, count);
        if (columns === undefined) {
          damaged.push({ id, count });
          damagedBytes += bytes.length;
        } else groups.push({ id, bytes: bytes.length, ...eras.arrival(columns, row) });
        readings += count;
        if (readings >= readingsMax && groups.length > 0) break;
      }
      for (const { id, count } of damaged) {
        remove.run(id);
        refuse({ counts: { [DAMAGED]: count }, last: [] });
      }
      return { groups, damagedBytes };
    },
  };
}

/** Bytes acknowledged to sensors and not yet passed by the functions. */
export function journalBytes(db: DatabaseSync, meta: Meta): number {
  const row = db.prepare('SELECT coalesce(sum(length(bytes)), 0) AS bytes FROM journal WHERE id > ?');
  return row.get(meta.get('position') as number)!.bytes as number;
}

function refusals(db: DatabaseSync): (refused: NonNullable<Arrival['refused']>) => void {
  const count = db.prepare(
    'INSERT INTO refused VALUES (?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count',
  );
  const keep = db.prepare(
    'INSERT INTO refused_payload (at, topic, reason, detail, head) VALUES (?, ?, ?, ?, ?) RETURNING id',
  );
  const trim = db.prepare('DELETE FROM refused_payload WHERE id <= ?');
  return ({ counts, last }) => {
    for (const [reason, number] of Object.entries(counts)) count.run(reason, number);
    for (const { at, topic, reason, detail, head } of last) {
      const id = keep.get(at, topic, reason, detail, head)!.id as number;
      trim.run(id - REFUSED_KEPT);
    }
  };
}
