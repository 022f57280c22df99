/**
 * Which readings go: those over their time, and while the store is too large the oldest of all devices.
 *
 * An item is as old as its latest reading, or as its arrival if its times are ahead of that: what a clock that is wrong
 * dates to the next century is forgotten in time, too.
 */
import { type ChunkHead, HISTORY_TABLE, timeKey, WIDE } from '../store/history.ts';
import { CHANGES_MAX, type Item, type Query, type Store } from '../store/store.ts';

const HOUR_MS = 3_600_000;
/** Items whose times are further ahead than this are looked for by their arrival. */
const AHEAD_MS = 24 * HOUR_MS;
/** Room that is made at once, so that not each look removes a little. */
const ROOM_SHARE = 0.05;

/** Forgets what is older than `keepMs`. */
export async function* forgetAged(store: Store, keepMs: number, now: number): AsyncGenerator<number> {
  for await (const device of devices(store)) yield* forgetOf(store, device, now - keepMs, now);
}

/** Forgets the oldest readings until the store takes less than `bytesMax`; what else is in it stays, whatever its size. */
export async function* forgetOverflow(store: Store, bytesMax: number, now: number): AsyncGenerator<number> {
  if (store.bytes === undefined || (await store.bytes()) <= bytesMax) return;
  const bytesWanted = bytesMax * (1 - ROOM_SHARE);
  // Of much to be forgotten more at a time: with each time all devices are looked at.
  for (let stepMs = HOUR_MS; ; stepMs *= 2) {
    const oldest = await oldestOf(store);
    if (oldest === undefined) return;
    for await (const device of devices(store)) {
      for await (const count of forgetOf(store, device, oldest + stepMs, now)) {
        yield count;
        if ((await store.bytes()) <= bytesWanted) return;
      }
    }
  }
}

/** Age of the oldest item there is, as ms since epoch. */
async function oldestOf(store: Store): Promise<number | undefined> {
  let oldest: number | undefined;
  for await (const device of devices(store)) {
    for (const range of [{}, { from: WIDE }]) {
      const { items } = await store.query({ table: HISTORY_TABLE, partition: device, ...range, limit: 1 });
      for (const item of items) oldest = Math.min(oldest ?? Number.POSITIVE_INFINITY, timeOf(item));
    }
  }
  return oldest;
}

async function* forgetOf(store: Store, device: string, before: number, now: number): AsyncGenerator<number> {
  const ahead = Math.max(before, now + AHEAD_MS);
  const ranges: Pick<Query, 'from' | 'to'>[] = [
    { to: timeKey(before) },
    { from: timeKey(ahead), to: WIDE },
    { from: WIDE },
  ];
  for (const range of ranges) {
    let after: string | undefined;
    do {
      const query: Query = { table: HISTORY_TABLE, partition: device, limit: CHANGES_MAX, ...range };
      const page = await store.query(after === undefined ? query : { ...query, after });
      const old = page.items.filter((item) => timeOf(item) < before);
      if (old.length > 0) {
        await store.write(old.map(({ sort }) => ({ remove: { table: HISTORY_TABLE, partition: device, sort } })));
        yield old.reduce((sum, { json }) => sum + (json as ChunkHead).count, 0);
      }
      after = page.next;
    } while (after !== undefined);
  }
}

function timeOf({ json }: Item): number {
  const { maxTs, at = maxTs } = json as ChunkHead;
  return Math.min(maxTs, at);
}

async function* devices(store: Store): AsyncGenerator<string> {
  let after: string | undefined;
  do {
    const page = await store.partitions(HISTORY_TABLE, after === undefined ? {} : { after });
    yield* page.names;
    after = page.next;
  } while (after !== undefined);
}
