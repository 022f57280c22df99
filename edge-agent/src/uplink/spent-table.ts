/** What the line has cost, day by day: runs in the database thread. */
import type { DatabaseSync } from 'node:sqlite';
import type { Spent } from './budget.ts';

/** A month to look back on. */
const DAYS_KEPT = 31;

export function spentOperations(db: DatabaseSync) {
  const put = db.prepare(
    'INSERT INTO spent (day, bytes) VALUES (?, ?) ON CONFLICT DO UPDATE SET bytes = max(bytes, excluded.bytes)',
  );
  const trim = db.prepare('DELETE FROM spent WHERE day NOT IN (SELECT day FROM spent ORDER BY day DESC LIMIT ?)');
  const ahead = db.prepare('DELETE FROM spent WHERE day > ?');
  const all = db.prepare('SELECT day, bytes FROM spent ORDER BY day DESC');
  return {
    /**
     * That much is spent on that day, all in all; never less than was kept before. It is the last day that there was: what is
     * said of later ones was said by a clock that has been set back since.
     */
    spend({ day, bytes }: Spent): void {
      ahead.run(day);
      if (put.run(day, Math.ceil(bytes)).changes > 0) trim.run(DAYS_KEPT);
    },

    /** Newest day first. */
    spent(): Spent[] {
      return all.all() as unknown as Spent[];
    },
  };
}
