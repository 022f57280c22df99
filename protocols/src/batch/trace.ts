/**
 * A recorded trace in CBOR: one batch, or batches one after another, each behind its length.
 *
 *     a9 61 76 01 …                                  a map: the file is one batch
 *     00 00 01 2c [300 bytes] 00 00 00 8f [143 …]    length of the batch that follows, 32 bits, big-endian
 *
 * A length is at most {@link BATCH_LIMITS} bytes, so its first byte is 0, which begins no map.
 */
import { BATCH_LIMITS, type Batch, decodeBatch, encodeBatch } from './batch.ts';
import { BatchError } from './batch-error.ts';

const LENGTH_BYTES = 4;

export function encodeTrace(batches: Iterable<Batch>): Uint8Array<ArrayBuffer> {
  const encoded = [...batches].map((batch) => encodeBatch(batch));
  const bytes = new Uint8Array(encoded.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const batch of encoded) {
    view.setUint32(at, batch.length);
    bytes.set(batch, at + LENGTH_BYTES);
    at += LENGTH_BYTES + batch.length;
  }
  return bytes;
}

/** @throws {BatchError} whose message names the batch and its first byte in the file */
export function* decodeTrace(bytes: Uint8Array): Generator<Batch> {
  if (bytes.length === 0) return;
  if (bytes[0] !== 0) {
    yield decodeAt(bytes, 1, 0);
    return;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0, number = 1; at < bytes.length; number++) {
    const start = at + LENGTH_BYTES;
    const length = start <= bytes.length ? view.getUint32(at) : 0;
    if (length > BATCH_LIMITS.bytesMax) throw faulty('too-large', number, at, `${length} bytes are declared`);
    if (length === 0 || start + length > bytes.length) throw faulty('truncated', number, at, 'bytes are missing');
    yield decodeAt(bytes.subarray(start, start + length), number, start);
    at = start + length;
  }
}

function decodeAt(bytes: Uint8Array, number: number, at: number): Batch {
  try {
    return decodeBatch(bytes);
  } catch (error) {
    if (!(error instanceof BatchError)) throw error;
    throw faulty(error.code, number, at, error.message);
  }
}

function faulty(code: BatchError['code'], number: number, at: number, detail: string): BatchError {
  return new BatchError(code, `batch ${number}, from byte ${at}: ${detail}`);
}
