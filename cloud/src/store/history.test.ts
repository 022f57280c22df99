import { columnsOf, type Reading } from '@weir/protocols';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  countHistory,
  type HistoryQuery,
  historyChanges,
  readHistory,
  readSpan,
  SPAN_MS_MAX,
  spanChange,
} from './history.ts';
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

test('one clock that is wrong, or all, neither lengthens every search nor hides a reading', async () => {
  const wild = fc.constantFrom(0, 1, 7, 40, -10_000, -200_000, 300_000, 650_000);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(wild, { minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 5 }),
      wild,
      wild,
      fc.integer({ min: 1, max: 9 }),
      async (batches, a, b, limit) => {
        const store = createMemoryStore();
        const from = T0 + Math.min(a, b) * HOUR;
        const to = T0 + Math.max(a, b) * HOUR;
        const times = batches.map((hours) => hours.map((hour) => T0 + hour * HOUR));
        let seq = 0;
        for (const batch of times) {
          await keep(
            store,
            seq,
            batch.map((ts) => reading(ts)),
          );
          seq += batch.length;
        }
        expect(await readSpan(store, 'gw1')).toBeLessThanOrEqual(SPAN_MS_MAX);
        const all = (await readAll(store, {}, limit)).map(({ id }) => id);
        expect(new Set(all).size).toBe(seq);
        const sent = times.flat();
        const wanted = sent.flatMap((ts, at) => (ts >= from && ts < to ? [`gw1/live/e1/${at}`] : []));
        const found = (await readAll(store, { from, to }, limit)).map(({ id }) => id);
        expect(found.toSorted()).toEqual(wanted.toSorted());
        expect(await countHistory(store, 'gw1', { from, to })).toBe(wanted.length);
        expect(await countHistory(store, 'gw1')).toBe(seq);
      },
    ),
    { numRuns: 100 },
  );
});

test('latest: a reading from 2099 makes way for the next, also after a restart, and a clock that is ahead goes on', async () => {
  const store = createMemoryStore();
  const shown = async () => (await readLatest(store, 'gw1')).map(({ value, ts }) => [value, ts]);
  const ahead = Date.UTC(2099, 0);
  const take = async (receivedAt: number, ...readings: Reading[]) => {
    const latest = await Latest.load(store, 'gw1');
    latest.take(columnsOf(readings), receivedAt);
    await store.write([latest.change()]);
  };
  await take(T0, reading(ahead, 1), reading(T0, 2));
  expect(await shown()).toEqual([[1, ahead]]);
  await take(T0 + 9_000, reading(T0 + 9_000, 3));
  expect(await shown()).toEqual([[1, ahead]]);
  await take(T0 + 11_000, reading(T0 + 11_000, 4));
  expect(await shown()).toEqual([[4, T0 + 11_000]]);
  await take(T0 + 12_000, reading(ahead, 5));
  await take(T0 + 13_000, reading(ahead - HOUR, 6));
  expect(await shown()).toEqual([[6, ahead - HOUR]]);
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
  latest.take(columnsOf([reading(T0 + 5, 2), reading(T0, 1)]), T0);
  latest.take(columnsOf([reading(T0 + 1, 9), reading(T0, 7, 'oven0')]), T0);
  await store.write([latest.change()]);
  expect(await readLatest(store, 'gw1')).toEqual([reading(T0, 7, 'oven0'), reading(T0 + 5, 2)]);
  for (let n = 0; n < LATEST_SERIES_MAX + 10; n++) latest.take(columnsOf([reading(T0, n, `s${n}`)]), T0);
  expect(latest.readings().length).toBe(LATEST_SERIES_MAX);
});
