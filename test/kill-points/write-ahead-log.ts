/**
 * SQLite's write-ahead log and its index, as far as they tell where in a commit a kill has hit.
 *
 *     log    0   header: 0 u32 magic, whose last bit tells the byte order of checksums · 16 salts, 8 bytes · 24 checksum, 8 bytes
 *            32  frames: 0 u32 page · 4 u32 pages of the database after a commit, else 0 · 8 salts · 16 checksum, 8 bytes
 *                24 the page
 *     index  16  u32 frames that are committed, as the agent knew when it was killed, in the machine's byte order
 *
 * Each checksum goes on from the one before, so what an earlier round has left behind the last frame does not count.
 *
 * @see https://sqlite.org/fileformat2.html#the_write_ahead_log
 */
import { readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

/** `torn`: within the transaction; `unheard`: it was written whole, and the agent has never heard of that. */
export type CommitHit = 'torn' | 'unheard';

export const COMMITTED_AT = 16;
const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** SQLite's default. */
const PAGE_BYTES = 4_096;

/** @param frame counted from 0 */
export function frameAt(frame: number): number {
  return HEADER_BYTES + frame * (FRAME_HEADER_BYTES + PAGE_BYTES);
}

/**
 * Where in a commit a kill has hit; to be asked before another agent recovers.
 *
 * @param tearAt a transaction that was written whole, and of which nobody has heard, is cut off there, 0 to 1: the log is
 * written from its beginning to its end, so this is what a kill a moment earlier leaves. That moment is a tenth of a
 * millisecond, and a kill from outside hardly ever meets it.
 */
export function commitHit(data: string, tearAt: number | undefined): CommitHit | undefined {
  const committed = readFileSync(join(data, 'spool.db-shm')).readUInt32LE(COMMITTED_AT);
  const file = join(data, 'spool.db-wal');
  const { frames, isWhole } = framesOf(readFileSync(file));
  if (frames <= committed) return undefined;
  if (!isWhole) return 'torn';
  if (tearAt === undefined) return 'unheard';
  const last = committed + Math.floor(tearAt * (frames - committed));
  // Of a frame first its head is written, then the page.
  truncateSync(file, frameAt(last) + (last % 2) * FRAME_HEADER_BYTES);
  return 'torn';
}

function framesOf(log: Buffer): { frames: number; isWhole: boolean } {
  if (log.length < HEADER_BYTES) return { frames: 0, isWhole: true };
  const isBigEndian = (log.readUInt32BE(0) & 1) === 1;
  const salts = log.subarray(16, 24);
  const sums = new Checksum(isBigEndian);
  sums.add(log.subarray(0, 24));
  for (let frame = 0; ; frame++) {
    const at = frameAt(frame);
    const isLast = at + FRAME_HEADER_BYTES + PAGE_BYTES > log.length;
    if (!isLast && log.subarray(at + 8, at + 16).equals(salts)) {
      sums.add(log.subarray(at, at + 8));
      sums.add(log.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + PAGE_BYTES));
      if (sums.equals(log.subarray(at + 16, at + 24))) continue;
    }
    // Pages of the database: set in the last frame of a transaction only.
    return { frames: frame, isWhole: frame === 0 || log.readUInt32BE(frameAt(frame - 1) + 4) !== 0 };
  }
}

class Checksum {
  #a = 0;
  #b = 0;
  #isBigEndian: boolean;

  constructor(isBigEndian: boolean) {
    this.#isBigEndian = isBigEndian;
  }

  add(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += 8) {
      this.#a = (this.#a + this.#word(bytes, at) + this.#b) >>> 0;
      this.#b = (this.#b + this.#word(bytes, at + 4) + this.#a) >>> 0;
    }
  }

  equals(stored: Buffer): boolean {
    return stored.readUInt32BE(0) === this.#a && stored.readUInt32BE(4) === this.#b;
  }

  #word(bytes: Buffer, at: number): number {
    return this.#isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
  }
}
