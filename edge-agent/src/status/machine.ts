/** What the machine has left, as the system tells it. */
import { readFile, statfs } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';

/** Bytes. */
export interface MachineState {
  /** Of the data folder's file system; `free` for the agent, without what is kept for root. */
  disk: { free: number; total: number };
  /** `agent` and `sandbox`: resident; `free`: what the system could give. */
  memory: { agent: number; sandbox: number; free: number; total: number };
}

/** @see proc(5), /proc/PID/statm: in pages */
const PAGE_BYTES = 4_096;

export async function readMachine(
  folder: string,
  sandbox: { readonly pids: readonly number[] },
): Promise<MachineState> {
  const [{ bavail, blocks, bsize }, residents] = await Promise.all([
    statfs(folder),
    Promise.all(sandbox.pids.map(residentBytes)),
  ]);
  return {
    disk: { free: bavail * bsize, total: blocks * bsize },
    memory: {
      agent: process.memoryUsage.rss(),
      sandbox: residents.reduce((sum, each) => sum + each, 0),
      free: freemem(),
      total: totalmem(),
    },
  };
}

async function residentBytes(pid: number): Promise<number> {
  try {
    const pages = Number((await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ')[1]);
    return Number.isFinite(pages) ? pages * PAGE_BYTES : 0;
  } catch {
    // It has ended, or this is no Linux.
    return 0;
  }
}
