import pino from 'pino';
import { expect, test, vi } from 'vitest';
import type { Clock } from '../clock/clock.ts';
import { configSchema } from '../config/config.ts';
import { createMemoryStore } from '../store/memory.ts';
import { retentionOf } from './limits.ts';
import { Retention, type Sweep } from './retention.ts';

const logger = pino({ level: 'silent' });

/** A clock that sleeps until the test lets it; short pauses are none. */
function slowClock() {
  const sleeps: (() => void)[] = [];
  const clock: Clock = {
    now: () => 1_000_000,
    sleep: (ms, signal) =>
      ms < 1_000 || signal?.aborted === true
        ? Promise.resolve()
        : new Promise((resolve) => {
            sleeps.push(resolve);
            signal?.addEventListener('abort', () => resolve());
          }),
  };
  const looked = () => vi.waitFor(() => expect(sleeps.length).toBe(1));
  return { clock, looked, lookAgain: () => sleeps.pop()!() };
}

test('each look goes through all there is; one that fails is told, keeps no other from its turn, and is made again', async () => {
  const { clock, looked, lookAgain } = slowClock();
  let fails = true;
  const readings: Sweep = {
    what: 'readings',
    reason: 'age',
    async *run(now) {
      yield now / 1_000_000;
      if (fails) throw new Error('away');
      yield 5;
    },
  };
  const alerts: Sweep = {
    what: 'alerts',
    reason: 'age',
    async *run() {
      yield 2;
    },
  };
  const retention = new Retention({ clock, logger }, [readings, alerts]);
  retention.start();
  await looked();
  expect([retention.forgotten.map(({ count }) => count), retention.failures]).toEqual([[1, 2], 1]);
  fails = false;
  lookAgain();
  await looked();
  expect([retention.forgotten.map(({ count }) => count), retention.failures]).toEqual([[7, 4], 1]);
  await retention.stop();
});

test('a hub that ends waits for one write at most', async () => {
  const { clock } = slowClock();
  let writes = 0;
  const endless: Sweep = {
    what: 'readings',
    reason: 'bytes',
    async *run() {
      for (;;) {
        await new Promise(setImmediate);
        writes++;
        yield 1;
      }
    },
  };
  const retention = new Retention({ clock, logger }, [endless]);
  retention.start();
  await vi.waitFor(() => expect(writes).toBeGreaterThan(3));
  const before = writes;
  await retention.stop();
  expect(writes).toBeLessThanOrEqual(before + 1);
});

test('what the configuration says is kept is what runs', async () => {
  const { clock, looked } = slowClock();
  const config = configSchema.parse({ history: { keep: '1d' }, store: { bytesMax: '64MiB' } });
  const retention = retentionOf({ store: createMemoryStore(), clock, logger }, config);
  retention.start();
  await looked();
  expect(retention.forgotten.map(({ what, reason }) => `${what} ${reason}`)).toEqual([
    'readings age',
    'alerts age',
    'usage age',
    'readings bytes',
  ]);
  expect(retention.failures).toBe(0);
  await retention.stop();
});
