import { zstdDecompressSync } from 'node:zlib';
import { BATCH_LIMITS, BatchError } from '@weir/protocols';

/** First bytes of a Zstandard frame; a batch begins with `a0` to `bf`. @see RFC 8878 section 3.1.1 */
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];

/**
 * A payload as it was before it was compressed; never more than a batch may have, whatever the frame claims.
 *
 * @throws {BatchError} `too-large`, `malformed`
 */
export function expanded(payload: Uint8Array): Uint8Array {
  if (!MAGIC.every((byte, at) => payload[at] === byte)) return payload;
  try {
    return zstdDecompressSync(payload, { maxOutputLength: BATCH_LIMITS.bytesMax });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE')
      throw new BatchError('too-large', `the batch in the frame has over ${BATCH_LIMITS.bytesMax} bytes`);
    throw new BatchError('malformed', `no Zstandard frame: ${message}`);
  }
}
