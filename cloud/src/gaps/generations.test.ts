import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GENERATIONS_MAX, ofOthers, withGeneration } from './generations.ts';
import { newRun, type Run, receive } from './run.ts';

function take(run: Run, from: number, to: number, word?: string): Run {
  const taken = receive(run, from, to, 0);
  return withGeneration(taken.run, taken.fresh, word);
}

test('what comes again as it came is nothing else; under the same numbers of another generation it is', () => {
  const run = take(take(newRun(0), 0, 14, 'r_1'), 14, 30);
  expect(ofOthers(run, 0, 14, 'r_1')).toEqual([]);
  expect(ofOthers(run, 10, 40, undefined)).toEqual([[10, 14]]);
  expect(ofOthers(run, 10, 40, 'r_1')).toEqual([[14, 30]]);
  expect(ofOthers(run, 10, 40, 'r_2')).toEqual([[10, 30]]);
  expect(ofOthers(undefined, 0, 9, 'r_1')).toEqual([]);
  expect(ofOthers(newRun(0), 0, 9, 'r_1')).toEqual([]);
});

const WORDS = [undefined, 'r_1', 'r_2'];
const takings = fc.array(
  fc.record({ from: fc.nat(40), count: fc.integer({ min: 1, max: 12 }), word: fc.constantFrom(...WORDS) }),
  { maxLength: 30 },
);

test('each number is of the generation in which it came first', () => {
  fc.assert(
    fc.property(takings, (all) => {
      let run = newRun(0);
      const words = new Map<number, string | undefined>();
      for (const { from, count, word } of all) {
        for (let number = from; number < from + count; number++) if (!words.has(number)) words.set(number, word);
        run = take(run, from, from + count, word);
      }
      for (const word of WORDS) {
        const others = ofOthers(run, 0, 60, word).flatMap(([from, to]) =>
          Array.from({ length: to - from }, (_, at) => from + at),
        );
        const expected = [...words].filter(([, other]) => other !== word).map(([number]) => number);
        expect(others).toEqual(expected.sort((a, b) => a - b));
      }
    }),
  );
});

test('of many generations the newest are known: of what was before all is taken for what came', () => {
  let run = newRun(0);
  for (let n = 0; n <= GENERATIONS_MAX; n++) run = take(run, n, n + 1, `r_${n}`);
  expect(run.generations).toHaveLength(GENERATIONS_MAX);
  expect(ofOthers(run, 0, GENERATIONS_MAX + 1, undefined)[0]![0]).toBe(1);
  expect(ofOthers(run, 0, 1, 'r_9')).toEqual([]);
});

test('what is forgotten of generations stays forgotten when lower numbers come late: nothing of it is taken for others', () => {
  let run = newRun(0);
  for (let n = 10; n < 20 + GENERATIONS_MAX; n++) run = take(run, n, n + 1, `r_${n}`);
  expect(run.generationsFrom).toBe(20);
  run = take(run, 0, 5, 'r_1');
  expect(run.generationsFrom).toBe(20);
  // It was received as that, and comes once more.
  expect(ofOthers(run, 15, 16, 'r_15')).toEqual([]);
});
