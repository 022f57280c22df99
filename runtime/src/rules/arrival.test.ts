import { columnsOf, type Reading, readingsOf } from '@weir/protocols';
import { expect, test } from 'vitest';
import { inArrival, type NumberedBatch } from './arrival.ts';

const T0 = 1_700_000_000_000;
const batch = (lane: string, seq: number, ...seconds: number[]): NumberedBatch => {
  const readings = seconds.map((second): Reading => {
    return { sensor: 'o', metric: 'm', value: second, ts: T0 + second * 1_000 };
  });
  return { lane, epoch: 'e', seq, columns: columnsOf(readings) };
};
const order = (...batches: NumberedBatch[]) => [...readingsOf(inArrival(batches).columns)].map(({ value }) => value);

test('readings come as their device has numbered them, whatever order their batches are found in', () => {
  expect(order(batch('live', 3, 30, 40), batch('live', 0, 10, 20, 5))).toEqual([10, 20, 5, 30, 40]);
});

test('one that is late comes when it came, and is counted with how late it was', () => {
  const { arrivedAt, late } = inArrival([batch('live', 0, 10, 20, 5, 30)]);
  expect([...arrivedAt].map((at) => (at - T0) / 1_000)).toEqual([10, 20, 20, 30]);
  expect(late).toEqual({ count: 1, mostMs: 15_000 });
});

test('lanes are put together by the latest time each had seen', () => {
  expect(order(batch('live', 0, 50, 60), batch('backfill', 0, 10, 20, 55))).toEqual([10, 20, 50, 55, 60]);
});
