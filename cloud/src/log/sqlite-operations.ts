/**
 * Inside the log's database thread.
 *
 *     record     id (position, never used twice) | slot (partition) | device | lane | received | payload
 *     slot_use   slot | records | bytes          what is kept, so that neither the limit nor the lag needs a count
 */
import type { DatabaseSync } from 'node:sqlite';

export interface LogFileOptions {
  partitions: number;
  /** Payload and overhead bytes kept at most, all partitions together. */
  bytesMax: number;
  /** Positions up to here have been given, whatever the file knows of it. */
  given: number;
}

export interface StoredAppend {
  slot: number;
  device: string;
  lane: number;
  receivedAt: number;
  payload: Uint8Array;
}

export interface StoredRecord {
  id: number;
  device: string;
  lane: number;
  receivedAt: number;
  payload: Uint8Array;
}

type StoredRow = Omit<StoredRecord, 'receivedAt'> & { received: number };

/** Row, index entry and page slack of one record, measured. */
const RECORD_OVERHEAD_BYTES = 64;

/** One read ends before it passes this: many readers at once must not fill the memory. */
const READ_BYTES_MAX = 2 * 1024 * 1024;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    slot INTEGER NOT NULL,
    device TEXT NOT NULL,
    lane INTEGER NOT NULL,
    received INTEGER NOT NULL,
    payload BLOB NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS record_by_slot ON record (slot, id);
  CREATE TABLE IF NOT EXISTS slot_use (
    slot INTEGER PRIMARY KEY, records INTEGER NOT NULL, bytes INTEGER NOT NULL
  ) STRICT;
`;

export function open(db: DatabaseSync, { partitions, bytesMax, given }: LogFileOptions) {
  // A second hub on the same folder would take positions from under the first.
  db.exec('PRAGMA locking_mode=EXCLUSIVE');
  db.exec(SCHEMA);
  const keptPartitions = claimPartitions(db, partitions);
  const behind = goOnBehind(db, given);

  const insert = db.prepare('INSERT INTO record (slot, device, lane, received, payload) VALUES (?, ?, ?, ?, ?)');
  const grow = db.prepare('UPDATE slot_use SET records = records + ?, bytes = bytes + ? WHERE slot = ?');
  const total = db.prepare('SELECT sum(bytes) AS bytes FROM slot_use');
  // The plus: SQLite reads a bare parameter as a limit when it plans, and plans anew for each that is bound.
  const select = db.prepare(
    'SELECT id, device, lane, received, payload FROM record WHERE slot = ? AND id > ? ORDER BY id LIMIT +?',
  );
  const gone = db.prepare(
    'SELECT count(*) AS records, coalesce(sum(length(payload)), 0) AS bytes FROM record WHERE slot = ? AND id <= ?',
  );
  const remove = db.prepare('DELETE FROM record WHERE slot = ? AND id <= ?');
  const kept = db.prepare('SELECT records FROM slot_use WHERE slot = ?');

  return {
    partitions: () => keptPartitions,
    /** So many positions had been given of which the file did not know. */
    behind: () => behind,
    /** @returns false, and nothing is written, when the limit would be passed. */
    append(records: readonly StoredAppend[]): boolean {
      const bytes = records.reduce((sum, record) => sum + record.payload.length + RECORD_OVERHEAD_BYTES, 0);
      if ((total.get()!.bytes as number) + bytes > bytesMax) return false;
      for (const { slot, device, lane, receivedAt, payload } of records) {
        insert.run(slot, device, lane, receivedAt, payload);
        grow.run(1, payload.length + RECORD_OVERHEAD_BYTES, slot);
      }
      return true;
    },
    read(slot: number, after: number, limit: number): StoredRecord[] {
      const records: StoredRecord[] = [];
      let bytes = 0;
      for (const row of select.iterate(slot, after, limit)) {
        const { id, device, lane, received, payload } = row as unknown as StoredRow;
        bytes += payload.length;
        if (records.length > 0 && bytes > READ_BYTES_MAX) break;
        records.push({ id, device, lane, receivedAt: received, payload });
      }
      return records;
    },
    trim(slot: number, upTo: number): void {
      const { records, bytes } = gone.get(slot, upTo) as { records: number; bytes: number };
      if (records === 0) return;
      remove.run(slot, upTo);
      grow.run(-records, -(bytes + records * RECORD_OVERHEAD_BYTES), slot);
    },
    /** Counts what is consumed and not yet trimmed, which is little, instead of a backlog, which may be long. */
    lag(slot: number, after: number): number {
      const consumed = gone.get(slot, after)!.records as number;
      return (kept.get(slot)!.records as number) - consumed;
    },
    bytes: (): number => total.get()!.bytes as number,
  };
}

export type LogOperations = ReturnType<typeof open>;

/** The number of partitions is fixed when the file is made: a device must never move. */
function claimPartitions(db: DatabaseSync, partitions: number): number {
  const row = db.prepare("SELECT value FROM meta WHERE key = 'partitions'").get();
  if (row !== undefined) return row.value as number;
  db.exec('BEGIN IMMEDIATE');
  db.prepare("INSERT INTO meta (key, value) VALUES ('partitions', ?)").run(partitions);
  const insert = db.prepare('INSERT INTO slot_use (slot, records, bytes) VALUES (?, 0, 0)');
  for (let slot = 0; slot < partitions; slot++) insert.run(slot);
  db.exec('COMMIT');
  return partitions;
}

/** No position is given twice: what came under one that was worked off would never be read. */
function goOnBehind(db: DatabaseSync, given: number): number {
  const row = db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'record'").get();
  const behind = given - ((row?.seq as number | undefined) ?? 0);
  if (behind <= 0) return 0;
  if (row === undefined) db.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES ('record', ?)").run(given);
  else db.prepare("UPDATE sqlite_sequence SET seq = ? WHERE name = 'record'").run(given);
  return behind;
}
