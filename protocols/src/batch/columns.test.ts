import { describe, expect, test } from 'vitest';
import type { Reading } from '../reading.ts';
import { ColumnsBuilder, columnsOf, concatColumns, readingsOf, SERIES_MAX, sliceColumns } from './columns.ts';

const reading = (sensor: string, value: Reading['value'], more: Partial<Reading> = {}): Reading => ({
  sensor,
  metric: 'm',
  value,
  ts: 1_700_000_000_000,
  ...more,
});

describe('a series has one entry for each kind, unit and quality it had', () => {
  test('the same series is found again, a change makes a new entry', () => {
    const columns = columnsOf([
      reading('a', 1, { unit: 'Cel' }),
      reading('a', 2, { unit: 'Cel' }),
      reading('a', 3, { unit: 'K' }),
      reading('a', true),
      reading('a', 4, { unit: 'Cel', quality: 'bad' }),
      reading('a', 5, { unit: 'Cel' }),
    ]);
    expect([...columns.index]).toEqual([0, 0, 1, 2, 3, 0]);
    expect(columns.series).toHaveLength(4);
  });

  test('a sensor that puts a counter into the quality is a series for each, found again, and no more work for each', () => {
    const readings = Array.from({ length: 60_000 }, (_, i) => reading('a', i, { quality: `q${i}` }));
    const columns = concatColumns([columnsOf(readings), columnsOf(readings)]);
    expect(columns.series).toHaveLength(60_000);
    expect([...columns.index].every((at, i) => at === i % 60_000)).toBe(true);
    const few = columnsOf([...readings.slice(0, 20), reading('a', 1), reading('a', true), ...readings.slice(0, 20)]);
    expect([...few.index.subarray(22)]).toEqual([...few.index.subarray(0, 20)]);
    expect([...readingsOf(few)].slice(20, 22)).toStrictEqual([reading('a', 1), reading('a', true)]);
  });

  test('names that are properties of every object are names like any other', () => {
    const readings = ['constructor', 'toString', 'hasOwnProperty'].map((sensor) => reading(sensor, sensor));
    expect([...readingsOf(columnsOf(readings))]).toStrictEqual(readings);
  });

  test('one series too many is a loud bug, not a wrong index', () => {
    const builder = new ColumnsBuilder();
    for (let i = 0; i < SERIES_MAX; i++) builder.add(reading(`s${i}`, i));
    expect(builder.full).toBe(true);
    expect(() => builder.add(reading('one-more', 1))).toThrow(RangeError);
    expect(builder.count).toBe(SERIES_MAX);
  });
});

test('a builder that was emptied does not touch what it handed over', () => {
  const builder = new ColumnsBuilder(1);
  builder.add(reading('a', 'open'));
  builder.add(reading('b', 2));
  const first = builder.take();
  builder.add(reading('c', 'closed'));
  expect([...readingsOf(first)]).toStrictEqual([reading('a', 'open'), reading('b', 2)]);
  expect([...readingsOf(builder.take())]).toStrictEqual([reading('c', 'closed')]);
  expect(builder.count).toBe(0);
});

test('joined parts read like the parts one after another, texts and dictionaries merged', () => {
  const parts = [
    [reading('a', 1), reading('door', 'open')],
    [reading('door', 'closed'), reading('a', 2), reading('door', 'open')],
    [reading('b', false), reading('a', 3, { quality: 'bad' })],
  ];
  const joined = concatColumns(parts.map((part) => columnsOf(part)));
  expect([...readingsOf(joined)]).toStrictEqual(parts.flat());
  expect(joined.strings).toEqual(['open', 'closed']);
  expect(joined.series).toHaveLength(4);
});

test('a slice is a copy: changing it leaves the whole as it was', () => {
  const whole = columnsOf([reading('a', 1), reading('a', 2), reading('a', 3)]);
  const slice = sliceColumns(whole, 1, 3);
  slice.values[0] = 99;
  expect([...readingsOf(slice)].map(({ value }) => value)).toEqual([99, 3]);
  expect([...whole.values]).toEqual([1, 2, 3]);
});
