import { columnsOf, EPOCH_PATTERN } from '@weir/protocols';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DeviceItems } from '../gaps/device-items.ts';
import type { Range } from '../gaps/ranges.ts';
import { piecesOf, type ReadingsBatch } from './put-back.ts';

const SEQ = 100;

function batchOf(count: number, epoch = 'life.a', generation?: string): ReadingsBatch {
  return { kind: 'readings', epoch, seq: SEQ, count, generation, columns: columnsOf([]) };
}

const piecesWith = (others: Range[], batch: ReadingsBatch) =>
  piecesOf({ takenOtherwise: async () => others } as unknown as DeviceItems, 'backfill', batch);

test('each item of a batch is in one piece, in order, wherever others were received under its numbers', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }), async (isOther) => {
      const others: Range[] = [];
      for (const [at, other] of isOther.entries()) {
        const last = others.at(-1);
        if (other && last?.[1] === SEQ + at) others[others.length - 1] = [last[0], SEQ + at + 1];
        else if (other) others.push([SEQ + at, SEQ + at + 1]);
      }
      const pieces = await piecesWith(others, batchOf(isOther.length));
      const items = pieces.flatMap(({ head, part: [from, to] }) =>
        Array.from({ length: to - from }, (_, at) => [from + at, head.epoch]),
      );
      expect(items).toEqual(isOther.map((other, at) => [at, other ? 'life.a_0' : 'life.a']));
    }),
  );
});

test('what is of different runs and generations is kept under different names, however long their words are', async () => {
  const [run, generation] = ['r'.repeat(32), 'g'.repeat(32)];
  const epochs = await Promise.all(
    [
      [`life.${run}`, generation],
      [`life.${run}`, `${generation.slice(1)}h`],
      [`life.${run.slice(1)}s`, generation],
      [`life.${run}`, undefined],
      ['life.a', 'a_1'],
      ['life.a', 'a_2'],
    ].map(async ([epoch, word]) => (await piecesWith([[SEQ, SEQ + 1]], batchOf(1, epoch, word)))[0]!.head.epoch),
  );
  expect(new Set(epochs).size).toBe(epochs.length);
  for (const epoch of epochs) expect(epoch).toMatch(EPOCH_PATTERN);
});
