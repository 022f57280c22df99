import { DatabaseSync } from 'node:sqlite';
import type { GapReason, Lane } from '@weir/protocols';
import { beforeEach, expect, test } from 'vitest';
import { makeSchema } from '../spool/schema.ts';
import { type DroppedRange, Drops } from './drops.ts';

let drops: Drops;
beforeEach(() => {
  const db = new DatabaseSync(':memory:');
  makeSchema(db, 'life1');
  drops = new Drops(db);
});

function range(seq: number, through: number, changes: Partial<DroppedRange> = {}): DroppedRange {
  const named = { lane: 'backfill' as Lane, epoch: 'life1.a', reason: 'rows' as GapReason };
  return { ...named, seq, through, count: through - seq, at: 1_000 + seq, from: seq, to: through - 1, ...changes };
}

const spans = () => drops.all().map(({ seq, through, told }) => [seq, through, told]);

/** The next `max` become reports `seq` and on. */
function tell(max: number, seq: number): void {
  for (const [at, { id }] of drops.next(max, 1e6).entries()) drops.told(id, seq + at);
}

test('many are joined, but none with one of another lane, run or reason', () => {
  const keys: Partial<DroppedRange>[] = (['live', 'backfill'] as const).flatMap((lane) =>
    ['life1.a', 'life1.b'].flatMap((epoch) =>
      (['rows', 'bytes', 'age'] as const).map((reason) => ({ lane, epoch, reason })),
    ),
  );
  const all = Array.from({ length: 900 }, (_, at) => range(at * 10, at * 10 + 1 + (at % 7), keys[at % keys.length]));
  for (const each of all) drops.add(each);
  const known = drops.all();
  expect(known.length).toBeLessThanOrEqual(200);
  const isOf = (one: DroppedRange) => (other: DroppedRange) =>
    one.lane === other.lane && one.epoch === other.epoch && one.reason === other.reason;
  for (const key of all.slice(0, keys.length)) {
    const sum = (ranges: DroppedRange[]) => ranges.filter(isOf(key)).reduce((total, { count }) => total + count, 0);
    expect(sum(known)).toBe(sum(all));
  }
  const isWithin = (one: DroppedRange) => (other: DroppedRange) =>
    isOf(one)(other) && other.seq <= one.seq && one.through <= other.through;
  expect(all.every((each) => known.filter(isWithin(each)).length === 1)).toBe(true);
});

test('what has become a report grows no more, and is joined with nothing', () => {
  drops.add(range(0, 5));
  drops.add(range(8, 9));
  tell(2, 0);
  drops.add(range(9, 12));
  for (let at = 0; at < 300; at++) drops.add(range(20 + at * 10, 21 + at * 10));
  expect(spans().slice(0, 2)).toEqual([
    [0, 5, false],
    [8, 9, false],
  ]);
  expect(drops.takeBetween('backfill', 'life1.a', 0, 5, 'rows')).toBeUndefined();
  const counted = drops.all().reduce((sum, { count }) => sum + count, 0);
  expect(counted).toBe(5 + 1 + 3 + 300);
});

test('what is between is taken back only whole', () => {
  drops.add(range(0, 5));
  drops.add(range(7, 9));
  const between = (seq: number, through: number) => drops.takeBetween('backfill', 'life1.a', seq, through, 'rows');
  expect([between(0, 9), between(0, 4), between(1, 5)]).toEqual([undefined, undefined, undefined]);
  expect(drops.takeBetween('backfill', 'life1.a', 0, 5, 'bytes')).toBeUndefined();
  expect(drops.takeBetween('backfill', 'life1.b', 0, 5, 'rows')).toBeUndefined();
  expect(between(0, 5)).toEqual({ from: 0, to: 4 });
  expect(spans()).toEqual([[7, 9, false]]);
});

test('a report is delivered when all below it is; damaged afterwards, it is not told again, and before it is', () => {
  for (const seq of [0, 10, 20]) drops.add(range(seq, seq + 1));
  tell(3, 5);
  drops.delivered(6);
  expect(spans().map(([, , told]) => told)).toEqual([true, false, false]);
  drops.damaged(5, 7);
  expect(drops.next(10, 1e6).map(({ report }) => report.seq)).toEqual([10]);
});

test('only so many are on their way: the rest waits, and is joined meanwhile', () => {
  for (let at = 0; at < 100; at++) drops.add(range(at * 10, at * 10 + 1));
  tell(40, 0);
  tell(40, 40);
  expect(drops.next(40, 1e6)).toEqual([]);
  drops.delivered(30);
  expect(drops.next(40, 1e6).length).toBe(30);
});

test('it is told with a time that is not ahead of now, and its times as far as they are known', () => {
  drops.add(range(0, 5, { at: 9_000, from: null, to: null }));
  const [first] = drops.next(1, 4_000);
  expect(first!.report).toEqual({
    ...{ type: 'gap', id: 'backfill/life1.a/0-5/rows', ts: 4_000, lane: 'backfill', epoch: 'life1.a' },
    ...{ seq: 0, through: 5, count: 5, reason: 'rows' },
  });
});
