import { columnsOf, type Reading } from '@weir/protocols';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countHistory, type HistoryQuery, historyChanges, readHistory, readSpan, spanChange } from './history.ts';
import { LATEST_SERIES_MAX, Latest, readLatest } from './latest.ts';
import { createMemoryStore } from './memory.ts';
import type { Store } from './store.ts';

const HOUR = 3_600_000;
const T0 = 1_700_000_000_000;

function reading(ts: number, value: number | string = 1, sensor = 'oven1'): Reading {
  return { sensor, metric: 'temperature', value, ts };
}

async function keep(store: Store, seq: number, readings: Reading[]): Promise<void> {
  const { changes, spanMs } = historyChanges({
    device: 'gw1',
    lane: 'live',
    epoch: 'e1',
    seq,
    columns: columnsOf(readings),
  });
  await store.write(changes);
  if (spanMs > (await readSpan(store, 'gw1'))) await store.write([spanChange('gw1', spanMs)]);
}

async function readAll(store: Store, query: HistoryQuery, limit: number) {
  const found = [];
  let after: string | undefined;
  do {
    const page = await readHistory(store, 'gw1', { ...query, limit, ...(after !== undefined && { after }) });
    expect(page.readings.length).toBeLessThanOrEqual(limit);
    found.push(...page.readings);
    after = page.next;
  } while (after !== undefined);
  return found;
}

test('a reading comes back with its id and everything it had', async () => {
  const store = createMemoryStore();
  const full = { ...reading(T0, 'open', 'door'), unit: 'Cel', quality: 'bad' };
  await keep(store, 7, [reading(T0), full]);
  expect((await readHistory(store, 'gw1')).readings).toEqual([
    { id: 'gw1/live/e1/7', ...reading(T0) },
    { id: 'gw1/live/e1/8', ...full },
  ]);
});

test('a search finds every reading of its range and no other, whatever the order of times and the size of pages', async () => {
  const times = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(times, { minLength: 1, maxLength: 8 }),
      fc.nat(40),
      fc.nat(40),
      fc.integer({ min: 1, max: 7 }),
      async (batches, a, b, limit) => {
        const store = createMemoryStore();
        const from = T0 + Math.min(a, b) * HOUR;
        const to = T0 + Math.max(a, b) * HOUR;
        const expected: string[] = [];
        let seq = 0;
        for (const hours of batches) {
          const readings = hours.map((hour) => reading(T0 + hour * HOUR));
          for (const [at, { ts }] of readings.entries()) {
            if (ts >= from && ts < to) expected.push(`gw1/live/e1/${seq + at}`);
          }
          await keep(store, seq, readings);
          seq += readings.length;
        }
        const found = (await readAll(store, { from, to }, limit)).map(({ id }) => id);
        expect(found.toSorted()).toEqual(expected.toSorted());
        expect(await countHistory(store, 'gw1', { from, to })).toBe(expected.length);
      },
    ),
    { numRuns: 60 },
  );
});

test('sensor and metric narrow a search', async () => {
  const store = createMemoryStore();
  await keep(store, 0, [reading(T0, 1, 'oven1'), reading(T0, 2, 'oven2'), { ...reading(T0, 3), metric: 'humidity' }]);
  const values = async (query: HistoryQuery) => (await readAll(store, query, 10)).map(({ value }) => value);
  expect(await values({ sensor: 'oven1' })).toEqual([1, 3]);
  expect(await values({ metric: 'temperature' })).toEqual([1, 2]);
  expect(await countHistory(store, 'gw1', { sensor: 'oven2', metric: 'temperature' })).toBe(1);
});

test('long texts do not make an item that the store would refuse', async () => {
  const store = createMemoryStore();
  await keep(
    store,
    0,
    Array.from({ length: 4000 }, (_, n) => reading(T0, `${n}`.padEnd(250, 'x'))),
  );
  expect(await countHistory(store, 'gw1')).toBe(4000);
});

test('latest: a late reading replaces nothing newer, and series are bounded', async () => {
  const store = createMemoryStore();
  const latest = new Latest('gw1');
  latest.take(columnsOf([reading(T0 + 5, 2), reading(T0, 1)]));
  latest.take(columnsOf([reading(T0 + 1, 9), reading(T0, 7, 'oven0')]));
  await store.write([latest.change()]);
  expect(await readLatest(store, 'gw1')).toEqual([reading(T0, 7, 'oven0'), reading(T0 + 5, 2)]);
  for (let n = 0; n < LATEST_SERIES_MAX + 10; n++) latest.take(columnsOf([reading(T0, n, `s${n}`)]));
  expect(latest.readings().length).toBe(LATEST_SERIES_MAX);
});
