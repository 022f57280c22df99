/** An image of a device's disk, to be put back later, and what it knows of numbers. */
import { rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { Image } from './disk.ts';

interface SpoolNumbers {
  /** The next of each lane. */
  next: ReadonlyMap<string, number>;
  /** Readings that were not numbered yet. */
  unnumbered: number;
}

/** What became of a device that was put back. */
export interface PutBack {
  /** True times, ms since epoch: what was acknowledged in between and not sent is gone with the disk. */
  copiedAt: number;
  at: number;
  /** As it was copied, and as it was when it was replaced. */
  copied: SpoolNumbers;
  replaced: SpoolNumbers;
  /** Words of the runs until then. */
  runs: ReadonlySet<string>;
}

/** @param path where a file may be made */
export function numbersIn({ db, wal }: Image, path: string): SpoolNumbers {
  writeFileSync(path, db);
  writeFileSync(`${path}-wal`, wal);
  const database = new DatabaseSync(path);
  try {
    const lanes = database.prepare('SELECT lane, next_seq FROM lane').all();
    const unnumbered = database
      .prepare(
        "SELECT coalesce(sum(count), 0) AS n FROM journal WHERE id > (SELECT value FROM meta WHERE key = 'position')",
      )
      .get()!;
    return {
      next: new Map(lanes.map(({ lane, next_seq }) => [lane as string, next_seq as number])),
      unnumbered: unnumbered.n as number,
    };
  } finally {
    database.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  }
}

/** Whether it is of the way that was left when the device was put back. */
export function isLeftBehind({ runs, copied }: PutBack, lane: string, epoch: string, seq: number): boolean {
  return runs.has(runOf(epoch)) && seq >= (copied.next.get(lane) ?? 0);
}

/** Whether it is of what was in the copy: on both ways, and where limits thinned that out, under numbers of each way's own. */
export function isOfCopy({ runs, copied }: PutBack, lane: string, epoch: string, seq: number): boolean {
  return runs.has(runOf(epoch)) && seq < (copied.next.get(lane) ?? 0);
}

/** @returns the epoch under whose numbers others had come than these; undefined: there were none, and it is one itself */
export function numberedBy({ runs }: PutBack, epoch: string): string | undefined {
  const run = runOf(epoch);
  const by = runs.has(run) ? undefined : [...runs].find((each) => run.startsWith(`${each}_`));
  return by && epoch.slice(0, epoch.length - run.length) + by;
}

/** Its word, in the epoch of an item. */
export function runOf(epoch: string): string {
  return epoch.slice(epoch.indexOf('.') + 1);
}
