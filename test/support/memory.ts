import { readFileSync } from 'node:fs';

const PAGE_BYTES = 4096;

/** Resident memory of a process and its children, MiB; 0 where there is no /proc. */
export function rssMbOf(pid: number): number {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    const below = children === '' ? [] : children.split(' ').map(Number);
    return (pages * PAGE_BYTES) / 2 ** 20 + below.reduce((sum, child) => sum + rssMbOf(child), 0);
  } catch {
    return 0;
  }
}
