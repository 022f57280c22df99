import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { columnsOf } from '@weir/protocols';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { countHistory, historyChanges, readHistory } from '../store/history.ts';
import { createMemoryStore } from '../store/memory.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import { AgedReadings, forgetOverflow } from './readings.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = 1_800_000_000_000;
const KEEP = 30 * DAY;

interface Kept {
  device: string;
  /** Event times, ms. */
  times: number[];
  at: number;
}

async function keep(store: Store, items: readonly Kept[], first = 0): Promise<void> {
  for (const [n, { device, times, at }] of items.entries()) {
    const seq = first + n;
    const columns = columnsOf(times.map((ts) => ({ sensor: 's', metric: 'm', value: `${seq} ${ts}`.padEnd(200), ts })));
    const { changes } = historyChanges({ device, lane: 'live', epoch: 'e1', seq: seq * 10, columns, at });
    for (const change of changes) await store.write([change]);
  }
}

async function all(sweep: AsyncIterable<number>): Promise<number> {
  let count = 0;
  for await (const each of sweep) count += each;
  return count;
}

const time = fc.oneof(
  fc.integer({ min: -2 * KEEP, max: 0 }),
  fc.integer({ min: -KEEP - HOUR, max: -KEEP + HOUR }),
  fc.constantFrom(-NOW + 1, 400 * DAY, 2 * HOUR),
);
const item = fc.record({
  device: fc.constantFrom('gw1', 'gw2', 'ovens/mean'),
  times: fc.array(
    time.map((offset) => NOW + offset),
    { minLength: 1, maxLength: 3 },
  ),
  at: fc.integer({ min: -2 * KEEP, max: 0 }).map((offset) => NOW + offset),
});

const forgetAged = (store: Store, now: number) => new AgedReadings(store, KEEP).forget(now);

/** Whether it is looked at, and came too long ago. */
const isOver =
  (now: number) =>
  ({ at, minTs, sort }: Head): boolean =>
    at < now - KEEP && (minTs < now - KEEP || minTs >= now + DAY || sort.includes('wide/'));

test('what came too long ago goes, whatever clocks said, and nothing else; looks in between change nothing', async () => {
  const moments = fc.array(fc.record({ items: fc.array(item, { maxLength: 12 }), later: fc.nat(KEEP) }), {
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(moments, async (looks) => {
      const store = createMemoryStore();
      const aged = new AgedReadings(store, KEEP);
      let now = NOW;
      let seq = 0;
      for (const { items, later } of looks) {
        // Each comes after the look before it, however it is dated.
        const came = items.map((each) => ({ ...each, at: now + ((each.at - NOW) % (later + 1)) + later }));
        await keep(store, came, seq);
        seq += came.length;
        now += later;
        const before = await heads(store);
        const over = before.filter(isOver(now));
        expect(await all(aged.forget(now))).toBe(over.reduce((sum, each) => sum + each.count, 0));
        expect(await heads(store)).toEqual(before.filter((each) => !over.includes(each)));
      }
    }),
  );
});

test('what came late and is kept is not read at each look, and goes when it is over its time', async () => {
  const store = createMemoryStore();
  await keep(
    store,
    Array.from({ length: 300 }, (_, n) => ({ device: 'gw1', times: [n * DAY], at: NOW })),
  );
  let read = 0;
  const query: Store['query'] = async (wanted) => {
    const page = await store.query(wanted);
    read += page.items.length;
    return page;
  };
  const aged = new AgedReadings({ ...bound(store), query }, KEEP);
  for (let hour = 1; hour < 24; hour++) expect(await all(aged.forget(NOW + hour * HOUR))).toBe(0);
  expect(read).toBe(300);
  expect(await all(aged.forget(NOW + KEEP + 1))).toBe(300);
});

interface Head {
  sort: string;
  count: number;
  minTs: number;
  maxTs: number;
  at: number;
}

async function heads(store: Store): Promise<Head[]> {
  const found: Head[] = [];
  for (const partition of ['gw1', 'gw2', 'ovens/mean']) {
    const { items } = await store.query({ table: 'history', partition });
    for (const { sort, json } of items) found.push({ ...(json as Head), sort: `${partition} ${sort}` });
  }
  return found;
}

test('much of one device goes in many writes, each with its count', async () => {
  const store = createMemoryStore();
  await keep(
    store,
    Array.from({ length: 250 }, (_, n) => ({ device: 'gw1', times: [n * HOUR, n * HOUR + 1], at: n * HOUR })),
  );
  const counts: number[] = [];
  for await (const count of forgetAged(store, 200 * HOUR + KEEP)) counts.push(count);
  expect(counts).toEqual([200, 200]);
  expect(await countHistory(store, 'gw1')).toBe(100);
});

test('a store that is too large loses its oldest readings, of all devices, until there is room, and not many more', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-retention-'));
  const store = await openSqliteStore({ file: join(folder, 'store.db') });
  onTestFinished(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  const READINGS = 40;
  const items = Array.from({ length: 300 }, (_, n) => {
    const ts = NOW - 300 * DAY + n * DAY;
    return { device: `gw${n % 3}`, times: Array.from({ length: READINGS }, (_, at) => ts + at), at: ts };
  });
  // Two that a wrong clock has dated ahead, long ago.
  items.push({ device: 'gw0', times: [NOW + 1_000 * DAY], at: NOW - 299 * DAY });
  items.push({ device: 'gw1', times: [1, NOW + 1_000 * DAY], at: NOW - 299 * DAY });
  await keep(store, items);
  const bytes = await store.bytes!();
  expect(bytes).toBeGreaterThan(300 * 8_000);
  expect(await all(forgetOverflow(store, bytes, NOW))).toBe(0);
  const gone = await all(forgetOverflow(store, bytes / 2, NOW));
  expect(await store.bytes!()).toBeLessThanOrEqual(bytes / 2);
  expect(await store.bytes!()).toBeGreaterThan(0.3 * bytes);
  let count = 0;
  for (const device of ['gw0', 'gw1', 'gw2']) {
    const { readings } = await readHistory(store, device, { limit: 100_000 });
    count += readings.length;
    const days = [...new Set(readings.map(({ ts }) => Math.floor((ts - NOW) / DAY)))];
    // Of each the newest, without a hole.
    expect(days).toEqual(Array.from(days, (_, at) => days.at(-1)! - 3 * (days.length - 1 - at)));
    expect([days.at(-1)! >= -3, days.length > 30, readings.length]).toEqual([true, true, days.length * READINGS]);
  }
  expect(count).toBe(300 * READINGS + 3 - gone);
});

test('a store that is too large for what else is in it ends without readings, and the look at it ends, too', async () => {
  const store = createMemoryStore();
  await keep(store, [{ device: 'gw1', times: [NOW], at: NOW }]);
  expect(await all(forgetOverflow({ ...bound(store), bytes: async () => 1_000 }, 10, NOW))).toBe(1);
  expect(await all(forgetOverflow(store, 10, NOW))).toBe(0);
});

function bound(store: Store): Store {
  return {
    get: (key) => store.get(key),
    query: (query) => store.query(query),
    partitions: (table, options) => store.partitions(table, options),
    write: (changes) => store.write(changes),
    close: () => store.close(),
  };
}
