/** Room on a disk that is full, out of what the policies let go: runs in the database thread. */
import type { DatabaseSync } from 'node:sqlite';
import type { Outbox } from '../outbox/outbox.ts';

/** What a group of readings and its place in the outbox take, with the pages between them. */
const FREE_PAGES_MIN = 64;
const SQLITE_FULL = 13;

/**
 * @returns makes room, or throws as SQLite does on a full disk when all that may go is too little; the caller takes back
 *   then what it has dropped. Each arrival asks again: what was too little is not gone through again as long as the same
 *   is there.
 */
export function roomWhenFull(db: DatabaseSync, outbox: Pick<Outbox, 'accounts' | 'dropForDisk'>) {
  const free = db.prepare('SELECT freelist_count AS count FROM pragma_freelist_count');
  const freePages = () => free.get()!.count as number;
  let tooLittle: string | undefined;
  return (now: number): void => {
    if (freePages() >= FREE_PAGES_MIN) return;
    const there = whatIsThere(freePages(), outbox);
    if (there === tooLittle) throw full();
    while (freePages() < FREE_PAGES_MIN) {
      if (outbox.dropForDisk(now)) continue;
      tooLittle = there;
      throw full();
    }
  };
}

function whatIsThere(freePages: number, outbox: Pick<Outbox, 'accounts'>): string {
  const lanes = outbox.accounts().map(({ nextSeq, acked, items, bytes }) => [nextSeq, acked, items, bytes]);
  return JSON.stringify([freePages, lanes]);
}

function full(): Error {
  const message = 'the disk is full, and nothing that waits may be dropped';
  return Object.assign(new Error(message), { errcode: SQLITE_FULL });
}
