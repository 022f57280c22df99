/** Readings as bytes of the journal: the batch of the wire without a number, so that there is one format to trust. */
import { type Columns, decodeBatch, encodeBatch } from '@weir/protocols';

const NO_EPOCH = '-';

/** The agent wrote these bytes itself; only the count must stay within what a batch can express. */
const LIMITS = { bytesMax: Number.MAX_SAFE_INTEGER, itemsMax: 65_536 };

export function encodeColumns(columns: Columns): Uint8Array {
  return encodeBatch({ kind: 'readings', epoch: NO_EPOCH, seq: 0, count: columns.index.length, columns });
}

/** @throws {BatchError} when the bytes were damaged on the card */
export function decodeColumns(bytes: Uint8Array): Columns {
  const batch = decodeBatch(bytes, LIMITS);
  if (batch.kind !== 'readings') throw new TypeError('a journal row holds readings');
  return batch.columns;
}
