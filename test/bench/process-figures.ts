/** What the system says of a process and those it started; 0 where there is no /proc. */
import { readFileSync } from 'node:fs';

/** @see proc_pid_stat(5): `utime` and `stime` are in clock ticks, which are hundredths of a second everywhere */
const TICKS_PER_S = 100;
const PAGE_BYTES = 4_096;

/** Resident memory, MiB. */
export function rssMb(pid: number): number {
  return sum(pid, (each) => (Number(read(`/proc/${each}/statm`).split(' ')[1]) * PAGE_BYTES) / 2 ** 20);
}

/** Processor time since the start. */
export function cpuSeconds(pid: number): number {
  return sum(pid, (each) => {
    const stat = read(`/proc/${each}/stat`);
    // The name in parentheses may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
  });
}

/** @see proc_pid_io(5): `write_bytes` is what was to be written to a device, once for each page that was changed and synced */
export function writtenBytes(pid: number): number {
  return sum(pid, (each) => Number(/^write_bytes: (\d+)$/m.exec(read(`/proc/${each}/io`))?.[1] ?? 0));
}

function sum(pid: number, of: (pid: number) => number): number {
  try {
    const children = read(`/proc/${pid}/task/${pid}/children`).trim();
    const below = children === '' ? [] : children.split(' ').map(Number);
    return of(pid) + below.reduce((total, child) => total + sum(child, of), 0);
  } catch {
    return 0;
  }
}

function read(path: string): string {
  return readFileSync(path, 'utf8');
}
