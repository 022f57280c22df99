import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Generations } from './generations.ts';

test('a sweep through a lane is one generation; one that begins again is another, and so is one of another run', () => {
  const generations = new Generations('life.a');
  expect(generations.next('backfill', { seq: 0, through: 60 })).toBe('a_1');
  expect(generations.next('backfill', { seq: 60, through: 120 })).toBe('a_1');
  expect(generations.next('live', { seq: 0, through: 60 })).toBe('a_1');
  expect(generations.next('backfill', { seq: 0, through: 120 })).toBe('a_2');
  expect(new Generations('life.b').next('backfill', { seq: 0, through: 60 })).toBe('b_1');
});

test('the last row of a generation gets more behind what it keeps', () => {
  const generations = new Generations('life.a');
  generations.next('backfill', { seq: 0, through: 60 });
  const more = { seq: 0, through: 120, kept: { generation: 'a_1', through: 60 } };
  expect(generations.next('backfill', more)).toBe('a_1');
  expect(generations.next('backfill', more)).toBe('a_2');
  expect(generations.next('backfill', { ...more, kept: { generation: null, through: 120 } })).toBe('a_3');
});

test('within a generation no number is given to two items', () => {
  const rows = fc.tuple(fc.nat(50), fc.integer({ min: 1, max: 20 }));
  fc.assert(
    fc.property(fc.array(rows, { maxLength: 40 }), (all) => {
      const generations = new Generations('life.a');
      const given = new Set<string>();
      for (const [seq, count] of all) {
        const word = generations.next('backfill', { seq, through: seq + count });
        for (let number = seq; number < seq + count; number++) {
          expect(given.has(`${word} ${number}`)).toBe(false);
          given.add(`${word} ${number}`);
        }
      }
    }),
  );
});
