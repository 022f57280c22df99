import { columnsOf, decodeBatch, type Reading, readingsOf } from '@weir/protocols';
import { SeriesFilter } from '@weir/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { historyChanges, readSpan, SPAN_MS_MAX, spanChange } from './history.ts';
import { type HistoryBatch, type HistoryBatchQuery, readHistoryBatches } from './history-batches.ts';
import { createMemoryStore } from './memory.ts';
import type { Store } from './store.ts';

const T0 = 1_700_000_000_000;
const HOUR = 3_600_000;

async function keep(store: Store, seq: number, readings: Reading[]): Promise<void> {
  const chunk = { device: 'gw1', lane: 'live', epoch: 'e1', seq, columns: columnsOf(readings), at: T0 };
  const { changes, spanMs } = historyChanges(chunk);
  await store.write(changes);
  if (spanMs > (await readSpan(store, 'gw1'))) await store.write([spanChange('gw1', spanMs)]);
}

async function readAll(store: Store, query: HistoryBatchQuery): Promise<HistoryBatch[]> {
  const found: HistoryBatch[] = [];
  let after: string | undefined;
  do {
    const page = await readHistoryBatches(store, 'gw1', { ...query, after });
    found.push(...page.batches);
    after = page.next;
  } while (after !== undefined);
  return found;
}

function readingsIn(batches: readonly HistoryBatch[]): Reading[] {
  return batches.flatMap(({ bytes }) => {
    const batch = decodeBatch(bytes, { bytesMax: 1_000_000, itemsMax: 100_000 });
    return batch.kind === 'readings' ? [...readingsOf(batch.columns)] : [];
  });
}

const reading = (ts: number, sensor = 'oven1', value = 1): Reading => ({ sensor, metric: 'temperature', value, ts });

test('every batch of a range comes once, those of wild times first and the others in order of their lowest times', async () => {
  const batches = fc.array(fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 5 }), {
    maxLength: 10,
  });
  await fc.assert(
    fc.asyncProperty(batches, fc.nat(60), fc.nat(60), async (hours, a, b) => {
      const store = createMemoryStore();
      const [from, to] = [T0 + Math.min(a, b) * HOUR, T0 + Math.max(a, b) * HOUR];
      const all = hours.map((times, i) => times.map((hour, j) => reading(T0 + hour * HOUR, 'oven1', i * 10 + j)));
      for (const [i, readings] of all.entries()) await keep(store, i * 10, readings);
      const found = await readAll(store, { from, to });
      const within = (list: Reading[]) => list.filter(({ ts }) => ts >= from && ts < to).map(({ value }) => value);
      expect(within(readingsIn(found)).sort()).toEqual(within(all.flat()).sort());
      const plain = found.filter(({ wide }) => wide === undefined);
      expect(found.slice(found.length - plain.length)).toEqual(plain);
      expect(plain.map((each) => each.from)).toEqual(plain.map((each) => each.from).sort((x, y) => x - y));
      for (const each of plain) expect(Math.min(...readingsIn([each]).map(({ ts }) => ts))).toBe(each.from);
    }),
    { numRuns: 50 },
  );
});

test('of a batch only the series that are wanted are given, and of one without them nothing', async () => {
  const store = createMemoryStore();
  await keep(store, 0, [reading(T0, 'oven1'), reading(T0, 'press1'), reading(T0 + 1, 'oven2')]);
  await keep(store, 3, [reading(T0 + 2, 'press1')]);
  const series = new SeriesFilter([{ sensor: 'oven*', metric: 'temperature' }]);
  const found = await readAll(store, { series });
  expect(found).toMatchObject([{ lane: 'live', epoch: 'e1', seq: 0, at: T0 }]);
  expect(readingsIn(found).map(({ sensor }) => sensor)).toEqual(['oven1', 'oven2']);
});

test('a batch of a clock that was wrong stands in front and says so', async () => {
  const store = createMemoryStore();
  await keep(store, 0, [reading(T0)]);
  // Wild times are cut apart until no more is allowed.
  await keep(
    store,
    10,
    Array.from({ length: 20 }, (_, i) => reading(T0 + (i % 2) * 2 * SPAN_MS_MAX + i)),
  );
  const found = await readAll(store, {});
  expect(found.map(({ wide }) => wide)).toContain(true);
  expect(found[0]!.wide).toBe(true);
  expect(readingsIn(found)).toHaveLength(21);
});

test('a page is bounded, and the next goes on behind it', async () => {
  const store = createMemoryStore();
  for (let i = 0; i < 2_500; i++) await keep(store, i, [reading(T0 + i)]);
  const first = await readHistoryBatches(store, 'gw1', {});
  expect(first.batches).toHaveLength(2_000);
  expect(readingsIn(await readAll(store, {})).map(({ ts }) => ts)).toEqual(
    Array.from({ length: 2_500 }, (_, i) => T0 + i),
  );
});
