import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addRange, countOf, missingOf, NO_RANGES, type Range, type Ranges } from './ranges.ts';

const UNIVERSE = 60;
const batch = fc.tuple(fc.nat(UNIVERSE - 1), fc.nat(12)).map(([from, count]): Range => [from, from + count]);
const batches = fc.array(batch, { maxLength: 40 });

function members(ranges: Ranges): Set<number> {
  const set = new Set<number>();
  for (const [from, to] of ranges.list) for (let n = from; n < to; n++) set.add(n);
  return set;
}

describe('a set of ranges', () => {
  test('is the set of all items added, sorted, disjoint, and not touching', () => {
    fc.assert(
      fc.property(batches, (added) => {
        const model = new Set<number>();
        let ranges = NO_RANGES;
        for (const [from, to] of added) {
          ranges = addRange(ranges, from, to);
          for (let n = from; n < to; n++) model.add(n);
        }
        expect([...members(ranges)].sort((a, b) => a - b)).toEqual([...model].sort((a, b) => a - b));
        expect(countOf(ranges)).toBe(model.size);
        for (const [at, [from, to]] of ranges.list.entries()) {
          expect(from).toBeLessThan(to);
          if (at > 0) expect(ranges.list[at - 1]![1]).toBeLessThan(from);
        }
      }),
    );
  });

  test('tells exactly which items of a batch are new', () => {
    fc.assert(
      fc.property(batches, batch, (added, [from, to]) => {
        const ranges = added.reduce((set, each) => addRange(set, ...each), NO_RANGES);
        const known = members(ranges);
        const expected: number[] = [];
        for (let n = from; n < to; n++) if (!known.has(n)) expected.push(n);
        const found = missingOf(ranges, from, to).flatMap(([a, b]) => Array.from({ length: b - a }, (_, n) => a + n));
        expect(found).toEqual(expected);
      }),
    );
  });

  test('stays within its limit: the oldest holes close, and what they held is counted', () => {
    fc.assert(
      fc.property(batches, fc.integer({ min: 1, max: 5 }), (added, limit) => {
        let ranges = NO_RANGES;
        let received = 0;
        for (const [from, to] of added) {
          received += missingOf(ranges, from, to).reduce((sum, [a, b]) => sum + b - a, 0);
          ranges = addRange(ranges, from, to, { limit });
          expect(ranges.list.length).toBeLessThanOrEqual(limit);
          expect(countOf(ranges)).toBe(received);
        }
      }),
    );
  });

  test('a hole keeps the time at which it was noticed, whatever of it comes late', () => {
    const at = (ranges: Ranges, ...[from, to, time]: [number, number, number]) =>
      addRange(ranges, from, to, { at: time });
    const one = at(at(NO_RANGES, 0, 10, 1), 90, 100, 2);
    expect(one.list).toEqual([
      [0, 10],
      [90, 100, 2],
    ]);
    const two = at(at(one, 40, 50, 3), 80, 95, 4);
    expect(two.list).toEqual([
      [0, 10],
      [40, 50, 2],
      [80, 100, 2],
    ]);
    expect(at(at(two, 10, 40, 5), 120, 130, 6).list).toEqual([
      [0, 50],
      [80, 100, 2],
      [120, 130, 6],
    ]);
    expect(at(at(NO_RANGES, 50, 60, 7), 10, 20, 8).list).toEqual([
      [10, 20],
      [50, 60, 8],
    ]);
    expect(at(at(NO_RANGES, 50, 60, 7), 10, 50, 8).list).toEqual([[10, 60]]);
  });

  test('holes of which nothing will ever come are closed before older ones of which something may', () => {
    let ranges = NO_RANGES;
    const isSettled = ([from]: Range) => from === 30;
    for (const from of [0, 20, 40, 60]) ranges = addRange(ranges, from, from + 10, { limit: 3, isSettled });
    expect(ranges).toEqual({
      list: [
        [0, 10],
        [20, 50],
        [60, 70],
      ],
      forgotten: 10,
    });
  });

  test('a batch seen before has nothing new', () => {
    const ranges = addRange(addRange(NO_RANGES, 0, 100), 120, 150);
    expect(missingOf(ranges, 10, 90)).toEqual([]);
    expect(missingOf(ranges, 90, 130)).toEqual([[100, 120]]);
    expect(addRange(ranges, 90, 130).list).toEqual([[0, 150]]);
  });
});
