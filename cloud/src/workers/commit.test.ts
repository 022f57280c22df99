import { expect, test } from 'vitest';
import { EPISODE_TABLE } from '../alerts/index-keys.ts';
import { HISTORY_TABLE } from '../store/history.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Change, Store } from '../store/store.ts';
import { commit, Fence } from './commit.ts';
import { Effects } from './effects.ts';
import { alert, mortalStore } from './worker.fixture.ts';

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
  const positions = writes.map(([fenced]) => (fenced as { json: unknown }).json);
  expect(positions).toEqual([{}, {}, { position: '17' }]);
  expect(fence.position).toBe('17');
});

const RAISED_HERE = 40;
const OF_DEVICE = 5;
const ADDED = 150;

function manyEffects(): Effects {
  const effects = new Effects();
  effects.position = '17';
  const alerts = (word: string, count: number) =>
    Array.from({ length: count }, (_, n) => alert(1, { episode: `${word}0000${10 + n}` }));
  effects.addTransitions('edge', alerts('device', OF_DEVICE));
  effects.addTransitions('cloud', alerts('raised', RAISED_HERE));
  effects.addOnce([put('once', 0)]);
  effects.touch({ changes: () => [put('kept', 0)], committed: () => {} });
  effects.add(Array.from({ length: ADDED }, (_, n) => put(HISTORY_TABLE, n)));
  return effects;
}

async function countOf(store: Store, table: string, name = ''): Promise<number> {
  let count = 0;
  for (const partition of (await store.partitions(table, { limit: 1_000 })).names) {
    if (partition.startsWith(name)) count += (await store.query({ table, partition, limit: 1_000 })).items.length;
  }
  return count;
}

test('killed with whichever of its writes: what holds once, and what functions heard, is there with the position, and not before', async () => {
  for (let writes = 1, isOver = false; !isOver; writes++) {
    for (const killed of ['before', 'after'] as const) {
      const inner = createMemoryStore();
      const mortal = mortalStore(inner, writes, killed);
      const fence = new Fence(mortal, 0);
      await fence.load();
      isOver = await commit(manyEffects(), mortal, fence, 0).then(
        () => true,
        () => false,
      );
      const next = new Fence(inner, 0);
      await next.load();
      const once = () =>
        Promise.all([countOf(inner, 'once'), countOf(inner, 'kept'), countOf(inner, EPISODE_TABLE, 'device')]);
      if (next.position === undefined) {
        expect(await once(), `${killed} ${writes}`).toEqual([0, 0, 0]);
        await commit(manyEffects(), inner, next, 0);
      }
      expect(next.position).toBe('17');
      expect(await once(), `${killed} ${writes}`).toEqual([1, 1, OF_DEVICE]);
      expect(await countOf(inner, EPISODE_TABLE, 'raised')).toBe(RAISED_HERE);
      expect(await countOf(inner, HISTORY_TABLE)).toBe(ADDED);
    }
  }
});
