/** Readings as bytes of the journal: the batch of the wire without a number, so that there is one format to trust. */
import { BatchError, type Columns, decodeBatch, encodeBatch } from '@weir/protocols';

const NO_EPOCH = '-';

/** The agent wrote these bytes itself; only the count must stay within what a batch can express. */
const LIMITS = { bytesMax: Number.MAX_SAFE_INTEGER, itemsMax: 65_536 };

export function encodeColumns(columns: Columns): Uint8Array {
  return encodeBatch({ kind: 'readings', epoch: NO_EPOCH, seq: 0, count: columns.index.length, columns });
}

/** @returns undefined when the bytes were damaged on the card, and do not hold `count` readings any more */
export function readColumns(bytes: Uint8Array, count: number): Columns | undefined {
  try {
    const batch = decodeBatch(bytes, LIMITS);
    return batch.kind === 'readings' && batch.count === count ? batch.columns : undefined;
  } catch (error) {
    if (error instanceof BatchError) return undefined;
    throw error;
  }
}
