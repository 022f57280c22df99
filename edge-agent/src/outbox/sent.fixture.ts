import { zstdDecompressSync } from 'node:zlib';
import { type Batch, decodeBatch } from '@weir/protocols';

const FRAME = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** What a hub reads from a payload. */
export function sentBatch(payload: Uint8Array): Batch {
  return decodeBatch(FRAME.equals(payload.subarray(0, 4)) ? zstdDecompressSync(payload) : payload);
}
