/**
 * Readings as bytes of the journal: the batch of the wire without a number, so that there is one format to trust, and its
 * checksum. SQLite has none for its pages, and a bit that a card flips in a value makes another value.
 *
 *     batch …  crc (4 bytes, big-endian)
 */
import { crc32 } from 'node:zlib';
import { BatchError, type Columns, decodeBatch, encodeBatch } from '@weir/protocols';

const NO_EPOCH = '-';
const CRC_BYTES = 4;

/** The agent wrote these bytes itself; only the count must stay within what a batch can express. */
const LIMITS = { bytesMax: Number.MAX_SAFE_INTEGER, itemsMax: 65_536 };

export function encodeColumns(columns: Columns): Uint8Array {
  const batch = encodeBatch({ kind: 'readings', epoch: NO_EPOCH, seq: 0, count: columns.index.length, columns });
  const bytes = new Uint8Array(batch.length + CRC_BYTES);
  bytes.set(batch);
  new DataView(bytes.buffer).setUint32(batch.length, crc32(batch));
  return bytes;
}

/** @returns undefined when the bytes were damaged on the card, and do not hold `count` readings any more */
export function readColumns(bytes: Uint8Array, count: number): Columns | undefined {
  const length = bytes.length - CRC_BYTES;
  if (length < 0) return undefined;
  const payload = bytes.subarray(0, length);
  if (new DataView(bytes.buffer, bytes.byteOffset).getUint32(length) !== crc32(payload)) return undefined;
  try {
    const batch = decodeBatch(payload, LIMITS);
    return batch.kind === 'readings' && batch.count === count ? batch.columns : undefined;
  } catch (error) {
    if (error instanceof BatchError) return undefined;
    throw error;
  }
}
