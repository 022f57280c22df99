/** Takes readings out of a row that functions have passed: runs in the database thread. */
import type { DatabaseSync } from 'node:sqlite';
import { columnsOf, readingAt } from '@weir/protocols';
import type { PassedRow } from '../outbox/outbox.ts';
import { encodeColumns, readColumns } from './columns-codec.ts';

/**
 * The row stays, with the time that it came and by which clock: what is left of it may still be set right.
 *
 * @returns leaves the readings at these places; undefined: none, and the row is gone
 */
export function rowThinner(db: DatabaseSync): (row: PassedRow, places: Uint32Array) => PassedRow | undefined {
  const select = db.prepare('SELECT bytes, stamped FROM journal WHERE id = ?');
  const update = db.prepare('UPDATE journal SET count = ?, bytes = ?, stamped = ? WHERE id = ?');
  const remove = db.prepare('DELETE FROM journal WHERE id = ?');
  return (row, places) => {
    if (places.length === 0) {
      remove.run(row.id);
      return undefined;
    }
    const { bytes: before, stamped } = select.get(row.id) as { bytes: Uint8Array; stamped: Uint8Array | null };
    const columns = readColumns(before, row.count);
    // Damaged by the card: whoever sends it gives it up, and counts it.
    if (columns === undefined) return row;
    const bytes = encodeColumns(columnsOf([...places].map((at) => readingAt(columns, at))));
    const marks = stamped !== null && stamped.length > 1 ? Uint8Array.from(places, (at) => stamped[at]!) : stamped;
    update.run(places.length, bytes, marks, row.id);
    return { ...row, count: places.length, bytes: bytes.length };
  };
}
