import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';

/** For files that no disk has to keep: where an fsync costs nothing, if there is such a place. */
export function memoryFolder(): string {
  try {
    rmSync(mkdtempSync('/dev/shm/weir-'), { recursive: true });
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}
