import { expect, test } from 'vitest';
import { HISTORY_TABLE } from '../store/history.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Change, Store } from '../store/store.ts';
import { commit, Fence } from './commit.ts';
import { Effects } from './effects.ts';

const put = (table: string, n: number): Change => ({ put: { table, partition: 'p', sort: `${n}` }, json: n });

test('of a step that is too large for one write, messages go ahead; its readings come with its position', async () => {
  const inner = createMemoryStore();
  const writes: Change[][] = [];
  const store: Store = {
    get: (key) => inner.get(key),
    query: (query) => inner.query(query),
    partitions: (table) => inner.partitions(table),
    close: () => inner.close(),
    async write(changes) {
      writes.push([...changes]);
      await inner.write(changes);
    },
  };
  const fence = new Fence(store, 0);
  await fence.load();
  const effects = new Effects();
  effects.position = '17';
  effects.add(Array.from({ length: 5 }, (_, n) => put(HISTORY_TABLE, n)));
  effects.add(Array.from({ length: 250 }, (_, n) => put('publish', n)));
  await commit(effects, store, fence, 0);
  const tables = writes.map((changes) => new Set(changes.map((change) => ('put' in change ? change.put.table : ''))));
  expect(tables).toEqual([
    new Set(['position', 'publish']),
    new Set(['position', 'publish']),
    new Set(['position', 'publish', HISTORY_TABLE]),
  ]);
  expect(writes.slice(0, -1).flatMap((changes) => changes[0])).toMatchObject([{ json: {} }, { json: {} }]);
  expect(writes.at(-1)![0]).toMatchObject({ json: { position: '17' } });
  expect(fence.position).toBe('17');
});
