import { constants, zstdCompressSync } from 'node:zlib';

/** Under it the frame costs more than there is to gain. */
const BYTES_MIN = 200;
/** The fastest but one: a Pi compresses some 100 MB/s by it, and higher levels gain little on packed columns. */
const OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 2 } };
/** What is gained must be worth taking it apart again. */
const GAIN_MIN = 0.05;

/** The payload as a Zstandard frame where that is smaller. @see RFC 8878 */
export function compressed(payload: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (payload.length < BYTES_MIN) return payload;
  const frame = zstdCompressSync(payload, OPTIONS);
  return frame.length <= payload.length * (1 - GAIN_MIN) ? frame : payload;
}
