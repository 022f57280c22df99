import { beforeEach, expect, test } from 'vitest';
import { createMemoryStore } from '../store/memory.ts';
import { CHANGES_MAX, type Store } from '../store/store.ts';
import { AT, foldLetter, letterReport } from './dead-letter.fixture.ts';
import { fromItem, LETTER_TABLE, toFold } from './dead-letter.ts';
import { DeviceLetters, LETTERS_PER_DEVICE_MAX, LETTERS_PER_FUNCTION_MAX, readAccount } from './device-letters.ts';

let store: Store;
let letters: DeviceLetters;
beforeEach(() => {
  store = createMemoryStore();
  letters = new DeviceLetters('gw1', store);
});

/** As a worker does. @returns how many changes it was */
async function commit(): Promise<number> {
  const changes = letters.changes();
  if (changes.length > 0) await store.write(changes);
  letters.committed();
  return changes.length;
}

async function stored(fn: string) {
  const all: ReturnType<typeof fromItem>[] = [];
  let after: string | undefined;
  do {
    const query = { table: LETTER_TABLE, partition: fn, limit: 50 };
    const page = await store.query(after === undefined ? query : { ...query, after });
    all.push(...page.items.map(fromItem));
    after = page.next;
  } while (after !== undefined);
  return all;
}

test('over a limit the oldest go, of the function that has too many, and are counted; account and items agree', async () => {
  for (let n = 1; n <= LETTERS_PER_FUNCTION_MAX + 30; n++) {
    await letters.told(letterReport(n));
    if (n % 20 === 0) expect(await commit()).toBeLessThanOrEqual(20 * 2 + 3);
  }
  await letters.told(letterReport(1, { function: 'rms' }));
  await commit();
  const kept = await stored('mean');
  expect(kept.map(({ name }) => name)).toEqual(
    Array.from({ length: LETTERS_PER_FUNCTION_MAX }, (_, at) => `mean:${at + 31}`),
  );
  const { rows, dropped } = await readAccount(store, 'gw1');
  expect(dropped).toBe(30);
  expect(rows.map(({ id }) => id)).toEqual([...kept, ...(await stored('rms'))].map(({ id }) => id));
});

test('many functions together stay within the bound of the device', async () => {
  for (let n = 1; n <= LETTERS_PER_DEVICE_MAX + 20; n++) {
    await letters.told(letterReport(n, { function: `f${n % 10}` }));
    if (n % 20 === 0) await commit();
  }
  expect((await readAccount(store, 'gw1')).rows.length).toBe(LETTERS_PER_DEVICE_MAX);
});

test('a commit takes what one write takes, also when one large letter pushes out many small ones', async () => {
  for (let n = 1; n <= 400; n++) {
    const value = JSON.stringify('x'.repeat(n <= 100 ? 1_000 : 60_000));
    await letters.told(
      letterReport(n, { function: `f${n % 4}`, input: { kind: 'event', handler: 'command', at: AT, value } }),
    );
    if (n % 20 === 0) expect(await commit()).toBeLessThan(CHANGES_MAX / 2);
  }
  const { rows } = await readAccount(store, 'gw1');
  expect(rows.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(20 * 1024 * 1024);
});

test('a letter that failed again is the same letter, with its new error; one that is gone is gone', async () => {
  await letters.told(letterReport(7));
  await letters.told(letterReport(8));
  await commit();
  const [before] = await stored('mean');
  const fault = { kind: 'threw', message: 'RangeError: still', stack: '' } as const;
  await letters.told(letterReport(7, { replays: 1, fault }));
  await letters.gone('mean:8', 'replayed');
  await letters.gone('mean:99', 'replayed');
  await commit();
  const after = await stored('mean');
  expect(after).toMatchObject([{ id: before!.id, replays: 1, fault: { message: 'RangeError: still' } }]);
  expect((await readAccount(store, 'gw1')).rows.length).toBe(1);
});

test('what a step in the hub could not take comes back as it was, also when it fails again in part', async () => {
  await letters.add([foldLetter('17', [1, 2, 3])]);
  await commit();
  const [letter] = await stored('mean');
  expect(toFold(letter!)).toEqual(foldLetter('17', [1, 2, 3]));
  await letters.again(letter!, foldLetter('replay.x', [2], { at: AT + 5_000 }));
  await commit();
  const [again] = await stored('mean');
  expect(again).toMatchObject({ id: letter!.id, replays: 1 });
  expect(toFold(again!)).toEqual(foldLetter('17', [2]));
});

test('an event comes back as it was', async () => {
  const input = {
    kind: 'event',
    handler: 'command',
    value: { open: [1, null] },
    at: AT,
    device: 'gw1',
    keys: ['a/b'],
  } as const;
  await letters.add([foldLetter('command.1', [], { input: { ...input, keys: ['a/b'], value: { open: [1, null] } } })]);
  await commit();
  expect(toFold((await stored('mean'))[0]!).input).toEqual(input);
});

test('what is too large for an item, or too many of one step, is dropped and counted, the rest is kept', async () => {
  const large = foldLetter(
    '1',
    Array.from({ length: 60_000 }, (_, at) => at + 0.123456),
  );
  const many = Array.from({ length: 20 }, (_, at) => foldLetter(`1.alerts1.${at}`, [at]));
  expect(await letters.add([large, ...many])).toBe(13);
  await commit();
  expect((await stored('mean')).length).toBe(8);
  expect((await readAccount(store, 'gw1')).dropped).toBe(13);
});

test('a report of a device that holds no reading although it says so does no harm', async () => {
  await letters.told(letterReport(1, { input: { kind: 'readings', count: 5, readings: [] } }));
  await commit();
  expect((await stored('mean'))[0]).toMatchObject({ input: { count: 5 }, readings: undefined });
});
