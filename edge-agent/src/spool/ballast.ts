/**
 * A file that takes room as long as there is some. On a full disk SQLite cannot even delete, for that, too, is written to
 * its log first; what the ballast leaves is room for deletions, acknowledgements and alerts.
 */
import { open, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Probe } from './disk.ts';

const CHUNK_BYTES = 64 * 1024;

export class Ballast {
  readonly #folder: string;
  readonly #file: string;
  readonly #bytes: number;

  /** @param bytes 0: there is none */
  constructor(folder: string, bytes: number) {
    this.#folder = folder;
    this.#file = join(folder, 'ballast');
    this.#bytes = bytes;
  }

  /** What is in place. */
  async size(): Promise<number> {
    return (await stat(this.#file).catch(() => undefined))?.size ?? 0;
  }

  async release(): Promise<void> {
    await rm(this.#file, { force: true });
  }

  /** @returns false: there was no room; nothing is left of it then */
  async make(): Promise<boolean> {
    const size = await this.size();
    if (size === this.#bytes) return true;
    await this.release();
    if (this.#bytes === 0) return true;
    const file = await open(this.#file, 'w', 0o600);
    try {
      for (let left = this.#bytes; left > 0; left -= CHUNK_BYTES)
        await file.write(NOISE, 0, Math.min(left, CHUNK_BYTES));
      await file.sync();
      // It may have been released meanwhile.
      return (await this.size()) === this.#bytes;
    } catch {
      await this.release();
      return false;
    } finally {
      await file.close();
    }
  }

  /** Writes a file beside the database. */
  async probe(): Promise<Probe> {
    const file = join(this.#folder, 'probe');
    try {
      await writeFile(file, NOISE.subarray(0, 1), { mode: 0o600 });
      await rm(file, { force: true });
      const { bavail, bsize } = await statfs(this.#folder);
      return { writable: true, freeBytes: bavail * bsize };
    } catch (error) {
      const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException;
      return { writable: false, code, message };
    }
  }
}

/** A file system that compresses would store zeros in no room at all. */
const NOISE = noise();

function noise(): Uint8Array {
  const words = new Uint32Array(CHUNK_BYTES / 4);
  let word = 0x9e3779b9;
  for (let at = 0; at < words.length; at++) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    words[at] = word;
  }
  return new Uint8Array(words.buffer);
}
