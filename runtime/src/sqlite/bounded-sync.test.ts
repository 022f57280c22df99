import { expect, test } from 'vitest';
import { BoundedSync } from './bounded-sync.ts';

const calls = (...names: string[]) => names.map((name, at) => ({ id: at + 1, name, args: [] }));
const answered = (...ids: number[]) => ids.map((id) => ({ id, value: id }));
const syncing = () => new BoundedSync({ everyMs: 50, awaited: ['send'] });

test('what leaves the machine waits for the sync; the rest does not', () => {
  const sync = syncing();
  const now = sync.committed(calls('add', 'send', 'add'), answered(1, 2, 3), true);
  expect(now.map(({ id }) => id)).toEqual([1, 3]);
  expect(sync.isDirty).toBe(true);
  expect(sync.synced().map(({ id }) => id)).toEqual([2]);
  expect(sync.synced()).toEqual([]);
});

test('with everything synced nothing waits', () => {
  const sync = syncing();
  expect(sync.committed(calls('send'), answered(1), false).length).toBe(1);
  expect(sync.isDirty).toBe(false);
});

test('a call that changes nothing waits all the same for what was changed before it', () => {
  const sync = syncing();
  sync.committed(calls('add'), answered(1), true);
  expect(sync.committed(calls('send'), answered(1), false)).toEqual([]);
  expect(sync.synced().length).toBe(1);
});

test('what failed is told at once', () => {
  const fault = { code: 'full', message: 'full' } as const;
  expect(syncing().committed(calls('send'), [{ id: 1, fault }], true)).toEqual([{ id: 1, fault }]);
});
