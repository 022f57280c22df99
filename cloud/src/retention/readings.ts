/**
 * Which readings go: those that came long ago, and while the store is too large those that came first, of all devices.
 *
 * What counts is when they came, not their own times: what a clock that is wrong dates to 1970, or what an outage
 * holds up for months, is kept as long as all else, and what is dated to the next century is not kept for ever.
 *
 *     items by their lowest time   ... | came late, kept so far | a day again | to forget now | ...
 *                                      ^ looked at when the first of them is due     ^ cut-off
 */
import { type ChunkHead, HISTORY_TABLE, timeKey, WIDE } from '../store/history.ts';
import { CHANGES_MAX, type Item, type Query, type Store } from '../store/store.ts';

const HOUR_MS = 3_600_000;
/** What came later than this is remembered until it is over its time; what came sooner is met again at the next look. */
const LATE_MS = 24 * HOUR_MS;
/** Items whose times are further ahead than this are looked for by their arrival. */
const AHEAD_MS = 24 * HOUR_MS;
/** Room that is made at once, so that not each look removes a little. */
const ROOM_SHARE = 0.05;

/** How far a device was looked through. */
interface Looked {
  before: number;
  /** When something that was left because it came late will be over its time, ms since epoch. */
  againAt: number;
}

/** Forgets readings by age; remembers what it has looked through, so that what is kept is not read each time. */
export class AgedReadings {
  readonly #store: Store;
  readonly #keepMs: number;
  readonly #looked = new Map<string, Looked>();

  constructor(store: Store, keepMs: number) {
    this.#store = store;
    this.#keepMs = keepMs;
  }

  async *forget(now: number): AsyncGenerator<number> {
    const before = now - this.#keepMs;
    for await (const device of devices(this.#store)) {
      const last = this.#looked.get(device);
      const isWhole = last === undefined || now >= last.againAt;
      // Whatever came since the last whole look is not over its time before this.
      let againAt = isWhole ? now + this.#keepMs : last.againAt;
      const onKept = ({ minTs, at }: Dated) => {
        if (at - minTs > LATE_MS || at < minTs) againAt = Math.min(againAt, at + this.#keepMs);
      };
      const from = isWhole ? undefined : timeKey(last.before - LATE_MS);
      const ranges = isWhole ? rangesOf(before, now) : [{ from: from!, to: timeKey(before) }];
      yield* forgetOf(this.#store, device, before, ranges, onKept);
      this.#looked.set(device, { before, againAt });
    }
  }
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
      for await (const count of forgetOf(store, device, oldest + stepMs, rangesOf(oldest + stepMs, now))) {
        yield count;
        if ((await store.bytes()) <= bytesWanted) return;
      }
    }
  }
}

/** When the first came of those that are the first of their device by their own time, ms since epoch. */
async function oldestOf(store: Store): Promise<number | undefined> {
  let oldest: number | undefined;
  for await (const device of devices(store)) {
    for (const range of [{}, { from: WIDE }]) {
      const { items } = await store.query({ table: HISTORY_TABLE, partition: device, ...range, limit: 1 });
      for (const item of items) oldest = Math.min(oldest ?? Number.POSITIVE_INFINITY, datedOf(item).at);
    }
  }
  return oldest;
}

type Range = Pick<Query, 'from' | 'to'>;

/** Where items may be that came before a time: dated before it, far ahead, or wildly. */
function rangesOf(before: number, now: number): Range[] {
  const ahead = Math.max(before, now + AHEAD_MS);
  return [{ to: timeKey(before) }, { from: timeKey(ahead), to: WIDE }, { from: WIDE }];
}

interface Dated {
  minTs: number;
  /** When it came. */
  at: number;
}

async function* forgetOf(
  store: Store,
  device: string,
  before: number,
  ranges: readonly Range[],
  onKept: (item: Dated) => void = () => {},
): AsyncGenerator<number> {
  for (const range of ranges) {
    let after: string | undefined;
    do {
      const query: Query = { table: HISTORY_TABLE, partition: device, limit: CHANGES_MAX, ...range };
      const page = await store.query(after === undefined ? query : { ...query, after });
      const old = page.items.filter((item) => datedOf(item).at < before);
      for (const item of page.items) if (!old.includes(item)) onKept(datedOf(item));
      if (old.length > 0) {
        await store.write(old.map(({ sort }) => ({ remove: { table: HISTORY_TABLE, partition: device, sort } })));
        yield old.reduce((sum, { json }) => sum + (json as ChunkHead).count, 0);
      }
      after = page.next;
    } while (after !== undefined);
  }
}

function datedOf({ json }: Item): Dated {
  const { minTs, maxTs, at = maxTs } = json as ChunkHead;
  return { minTs, at };
}

async function* devices(store: Store): AsyncGenerator<string> {
  let after: string | undefined;
  do {
    const page = await store.partitions(HISTORY_TABLE, after === undefined ? {} : { after });
    yield* page.names;
    after = page.next;
  } while (after !== undefined);
}
