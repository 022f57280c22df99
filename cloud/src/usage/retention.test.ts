import { NO_USAGE } from '@weir/runtime';
import pino from 'pino';
import { expect, test, vi } from 'vitest';
import type { Clock } from '../clock/clock.ts';
import { createMemoryStore } from '../store/memory.ts';
import { readUsage, usageChanges } from './ledger.ts';
import { UsageRetention } from './retention.ts';

const DAY = 86_400_000;

test('a day that is over its time is gone within the hour, and a store that fails for once is asked again', async () => {
  const store = createMemoryStore();
  const start = Date.UTC(2026, 10, 21);
  const used = { ...NO_USAGE, function: 'mean', version: '1', memoryMb: 64, from: start, to: start, readings: 1 };
  await store.write(
    await usageChanges(store, { partition: 0, where: 'edge' }, [used], { now: start, keepMs: 400 * DAY }),
  );
  const time = { now: start };
  const sleeps: (() => void)[] = [];
  const clock: Clock = {
    now: () => time.now,
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        sleeps.push(resolve);
        signal?.addEventListener('abort', () => resolve());
      }),
  };
  const left = async () => (await readUsage(store, { from: '1970-01-01', to: '9999-12-31' })).length;
  const retention = new UsageRetention({ store, clock, logger: pino({ level: 'silent' }) }, 400 * DAY);
  const nextLook = async () => {
    await vi.waitFor(() => expect(sleeps.length).toBe(1));
    sleeps.pop()!();
  };
  retention.start();
  time.now = start + 400 * DAY + DAY - 1;
  await nextLook();
  await vi.waitFor(() => expect(sleeps.length).toBe(1));
  expect(await left()).toBe(1);
  time.now = start + 401 * DAY;
  const failing = vi.spyOn(store, 'partitions').mockRejectedValueOnce(new Error('away'));
  await nextLook();
  await nextLook();
  await vi.waitFor(async () => expect(await left()).toBe(0));
  expect(failing.mock.calls.length).toBeGreaterThanOrEqual(2);
  await retention.stop();
});
