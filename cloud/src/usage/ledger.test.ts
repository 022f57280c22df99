import { NO_USAGE } from '@weir/runtime';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { createMemoryStore } from '../store/memory.ts';
import { ITEM_BYTES_MAX, type Store } from '../store/store.ts';
import { dayOf, ENTRIES_MAX, forgetUsage, OTHERS, readUsage, type UsageEntry, usageChanges } from './ledger.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 21, 6);
const KEEP = { now: NOW, keepMs: 400 * DAY };

let store: Store;
beforeEach(() => {
  store = createMemoryStore();
});

function entry(name: string, readings: number, changes: Partial<UsageEntry> = {}): UsageEntry {
  const used = { ...NO_USAGE, invocations: 1, readings, cpuMs: readings / 8 };
  return { function: name, version: '1', memoryMb: 64, from: NOW - 1_000, to: NOW, ...used, ...changes };
}

async function add(entries: UsageEntry[], partition = 0, where: 'edge' | 'cloud' = 'edge', at = KEEP): Promise<void> {
  await store.write(await usageChanges(store, { partition, where }, entries, at));
}

const ALWAYS = { from: '1970-01-01', to: '9999-12-31' };
const rows = async (query = {}) =>
  (await readUsage(store, { ...ALWAYS, ...query })).map(
    ({ function: name, version, where, readings }) => `${name}@${version} ${where}: ${readings}`,
  );

test('sums are over all partitions of the log, by function, version and place', async () => {
  await add([entry('mean', 1), entry('mean', 10, { version: '2' })]);
  await add([entry('mean', 100)], 7);
  await add([entry('mean', 1_000)], 7, 'cloud');
  await add([entry('max', 5)]);
  expect(await rows()).toEqual(['max@1 edge: 5', 'mean@1 cloud: 1000', 'mean@1 edge: 101', 'mean@2 edge: 10']);
  expect(await rows({ function: 'max' })).toEqual(['max@1 edge: 5']);
});

test('an entry belongs to the day of UTC on which it ended, and days are asked for with both ends', async () => {
  const at = (day: number) => ({ from: NOW - day * DAY - 5, to: NOW - day * DAY });
  await add([entry('mean', 1), entry('mean', 10, at(1)), entry('mean', 100, at(2)), entry('mean', 1_000, at(3))]);
  const between = (first: number, last: number) =>
    rows({ from: dayOf(NOW - first * DAY), to: dayOf(NOW - last * DAY) });
  expect(await between(0, 0)).toEqual(['mean@1 edge: 1']);
  expect(await between(2, 1)).toEqual(['mean@1 edge: 110']);
  expect(await between(9, 0)).toEqual(['mean@1 edge: 1111']);
  const [row] = await readUsage(store, ALWAYS);
  expect([row!.from, row!.to]).toEqual([NOW - 3 * DAY - 5, NOW]);
});

describe('the clock of a device that is wrong spoils no day but that of arrival', () => {
  test.each([
    ['ahead, so that it would be kept for ever', NOW + DAY],
    ['in 1970, before the first time from the network', 1_000],
    ['older than anything that is kept', NOW - 401 * DAY],
  ])('%s', async (_what, to) => {
    await add([entry('mean', 3, { from: 0, to })]);
    expect(await readUsage(store, { from: dayOf(NOW), to: dayOf(NOW) })).toMatchObject([{ from: NOW, to: NOW }]);
  });

  test('set while it counted: the time before it was set is not measured', async () => {
    await add([entry('mean', 3, { from: 1_000 })]);
    expect(await readUsage(store, ALWAYS)).toMatchObject([{ from: NOW, to: NOW }]);
  });
});

test('a device that makes names up fills no item: what is over the limit is counted together', async () => {
  const version = '\u0001'.repeat(64);
  for (let n = 0; n < ENTRIES_MAX + 50; n += 10) {
    const made = Array.from({ length: 10 }, (_, i) => entry(`${n + i}`.padEnd(64, 'x'), 1_111_111_111, { version }));
    await add(made.map((each) => ({ ...each, cpuMs: 0.123456789, outputs: 999_999_999_999, heapBytesMax: 4e9 })));
  }
  await add([entry('0'.padEnd(64, 'x'), 1, { version })]);
  const all = await readUsage(store, ALWAYS);
  expect(all.length).toBe(ENTRIES_MAX + 1);
  expect(all.find(({ function: name }) => name === OTHERS)!.invocations).toBe(50);
  const { json } = (await store.get({ table: 'usage', partition: '00000', sort: `${dayOf(NOW)}/edge` }))!;
  expect(JSON.stringify(json).length).toBeLessThan(ITEM_BYTES_MAX);
});

test('days that are over their time are forgotten, and no other', async () => {
  const days = [0, 1, 399, 400].map((day) => NOW - day * DAY + 1_000 * (day > 0 ? 1 : 0));
  for (const partition of [0, 1, 15]) {
    for (const to of days)
      await add([entry('mean', 1, { from: to, to })], partition, 'edge', { ...KEEP, keepMs: 1e12 });
  }
  const forget = () => Array.fromAsync(forgetUsage(store, dayOf(NOW - 399 * DAY)));
  expect(await forget()).toEqual([1, 1, 1]);
  expect(await rows()).toEqual(['mean@1 edge: 9']);
  expect(await forget()).toEqual([]);
});

test('however entries are cut into writes and partitions, the sums are the same', async () => {
  const one = fc.record({
    name: fc.constantFrom('a', 'b'),
    readings: fc.nat(1e9),
    partition: fc.nat(3),
    day: fc.nat(5),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(one, { maxLength: 6 }), { maxLength: 8 }), async (writes) => {
      store = createMemoryStore();
      const sums = new Map<string, number>();
      for (const write of writes) {
        for (const [partition, some] of Map.groupBy(write, (each) => each.partition)) {
          await add(
            some.map(({ name, readings, day }) =>
              entry(name, readings, { from: NOW - day * DAY, to: NOW - day * DAY }),
            ),
            partition,
          );
        }
        for (const { name, readings } of write) sums.set(name, (sums.get(name) ?? 0) + readings);
      }
      const found = await readUsage(store, ALWAYS);
      expect(new Map(found.map((row) => [row.function, row.readings]))).toEqual(sums);
    }),
    { numRuns: 30 },
  );
});
