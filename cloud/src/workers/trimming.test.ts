import { expect, test } from 'vitest';
import { Trimming } from './trimming.ts';

function trimmingAt(time: { now: number; fails?: boolean }) {
  const trims: string[] = [];
  const log = {
    async trim(partition: number, position: string) {
      if (time.fails) throw new Error('the disk is full');
      trims.push(`${partition} ${position}`);
    },
  };
  return { trims, trimming: new Trimming(3, { log, clock: { now: () => time.now } }) };
}

test('the log forgets a while after the first record that it may forget, for many short turns together', async () => {
  const time = { now: 5_000 };
  const { trimming, trims } = trimmingAt(time);
  expect(trimming.waitMs).toBe(Number.POSITIVE_INFINITY);
  trimming.add(0);
  expect(trimming.isDue).toBe(false);
  trimming.add(1);
  const { waitMs } = trimming;
  time.now += waitMs - 1;
  trimming.add(1);
  expect(trimming.isDue).toBe(false);
  expect(trimming.waitMs).toBe(1);
  time.now += 1;
  expect(trimming.isDue).toBe(true);
  await trimming.trim('17');
  expect(trims).toEqual(['3 17']);
  expect(trimming.isDue).toBe(false);
  expect(trimming.waitMs).toBe(Number.POSITIVE_INFINITY);
});

test('many records are forgotten at once: the log is bounded', () => {
  const { trimming } = trimmingAt({ now: 0 });
  for (let turn = 0; turn < 10 && !trimming.isDue; turn++) trimming.add(100);
  expect(trimming.isDue).toBe(true);
});

test('one that failed is due again, although no record comes any more', async () => {
  const time = { now: 0, fails: true };
  const { trimming, trims } = trimmingAt(time);
  trimming.add(500);
  await expect(trimming.trim('17')).rejects.toThrow('full');
  expect(trimming.isDue).toBe(false);
  time.now += trimming.waitMs;
  expect(trimming.isDue).toBe(true);
  time.fails = false;
  await trimming.trim('17');
  expect(trims).toEqual(['3 17']);
  expect(trimming.waitMs).toBe(Number.POSITIVE_INFINITY);
});

test('a worker that has committed no position forgets nothing', async () => {
  const { trimming, trims } = trimmingAt({ now: 0 });
  await trimming.trim(undefined);
  expect(trims).toEqual([]);
});
