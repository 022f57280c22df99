import { expect, test } from 'vitest';
import { systemClock } from '../clock/clock.ts';
import { Wake } from './wake.ts';

test('what is rung for between looking and sleeping is not slept over', async () => {
  const slept: number[] = [];
  const sleep: typeof systemClock.sleep = async (ms) => void slept.push(ms);
  const wake = new Wake({ ...systemClock, sleep });
  const { version } = wake;
  wake.ring();
  await wake.sleep(version, 60_000);
  expect(slept).toEqual([]);
  await wake.sleep(wake.version, 60_000);
  expect(slept).toEqual([60_000]);
});
