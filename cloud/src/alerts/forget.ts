/** What is over for long enough is forgotten; one that latches and that nobody has seen never is over. */
import { CHANGES_MAX, type Store } from '../store/store.ts';
import type { EpisodeSummary } from './episode.ts';
import { forgetChanges, INDEX_TABLE, statePartitions, timeKey } from './index-keys.ts';

/** Items of one episode that go. */
const ITEMS_EACH = 5;
const FORGOTTEN_PER_WRITE = Math.floor(CHANGES_MAX / ITEMS_EACH);
/** Those that began so far ahead of now, by a clock that is wrong, are looked for behind all others. */
const AHEAD_MS = 86_400_000;

/**
 * Forgets episodes that are resolved and were last heard of before a time.
 * @param before ms since epoch, by the clock of the hub
 * @returns how many, after each write
 */
export async function* forgetResolved(store: Store, before: number, now: number): AsyncGenerator<number> {
  for (const partition of [false, true].flatMap((dryRun) => statePartitions(['resolved'], dryRun))) {
    for (const range of [{ to: timeKey(before) }, { from: timeKey(now + AHEAD_MS) }]) {
      let after: string | undefined;
      do {
        const query = { table: INDEX_TABLE, partition, limit: FORGOTTEN_PER_WRITE, ...range };
        const page = await store.query(after === undefined ? query : { ...query, after });
        const old = page.items.map((item) => item.json as EpisodeSummary).filter(({ updatedAt }) => updatedAt < before);
        if (old.length > 0) {
          await store.write(old.flatMap(forgetChanges));
          yield old.length;
        }
        after = page.next;
      } while (after !== undefined);
    }
  }
}
