import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { sandboxOnDemand } from './on-demand.ts';
import type { Unit } from './protocol.ts';
import type { Sandbox } from './sandbox.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const unitOf = (key: string): Unit => ({ key, code: '', config: '{}', timeoutMs: 100, memoryMb: 16 });

/** Counts the processes that run, and were started in all. */
function countingSandbox() {
  const seen = { running: 0, started: 0, dropped: [] as string[] };
  const make = () =>
    ({
      start: async () => {
        seen.running++;
        seen.started++;
      },
      load: async () => ({ kind: 'returned', text: '{}' }),
      step: async () => ({ kind: 'returned', text: '{}' }),
      drop: (key) => void seen.dropped.push(key),
      stop: async () => {
        seen.running--;
      },
    }) as Partial<Sandbox> as Sandbox;
  return { seen, sandbox: sandboxOnDemand(make) };
}

test('a device that tries nothing has no process for it, and none soon after the last was dropped', async () => {
  const { seen, sandbox } = countingSandbox();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(seen.started).toBe(0);
  await Promise.all([sandbox.load(unitOf('a')), sandbox.load(unitOf('b'))]);
  sandbox.drop('a');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(seen).toEqual({ running: 1, started: 1, dropped: ['a'] });
  sandbox.drop('b');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(seen).toMatchObject({ running: 0, started: 1 });
  await sandbox.load(unitOf('a'));
  expect(seen).toMatchObject({ running: 1, started: 2 });
});

test('what is loaded shortly after the last was dropped finds the same process', async () => {
  const { seen, sandbox } = countingSandbox();
  await sandbox.load(unitOf('a'));
  sandbox.drop('a');
  await vi.advanceTimersByTimeAsync(1_000);
  await sandbox.load(unitOf('b'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(seen).toMatchObject({ running: 1, started: 1 });
});

test('nothing is started once it was stopped', async () => {
  const { seen, sandbox } = countingSandbox();
  await sandbox.load(unitOf('a'));
  await sandbox.stop();
  expect(await sandbox.load(unitOf('b'))).toMatchObject({ kind: 'crashed' });
  expect(seen).toMatchObject({ running: 0, started: 1 });
});
