import type { AlertState, AlertTransition } from '@weir/protocols';
import { beforeEach, expect, test } from 'vitest';
import { transition } from '../api/control.fixture.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { episodeChanges, getEpisode, raised } from './episodes.ts';
import { listEpisodes } from './listing.ts';
import { onTheirWay, type Way } from './ways.ts';

let store: Store;
beforeEach(() => {
  store = createMemoryStore();
});

const T0 = 1_795_000_000_000;
const step = (seq: number, state: AlertState, ts: number): AlertTransition =>
  transition({ seq, state, reason: state === 'resolved' ? 'cleared' : 'threshold', ts: T0 + ts, startedAt: T0 });
const firing = (seq: number, ts: number) => step(seq, 'firing', ts);
const resolved = (seq: number, ts: number) => step(seq, 'resolved', ts);

async function record(transitions: readonly AlertTransition[]): Promise<AlertTransition[]> {
  const { changes, fresh } = await episodeChanges(store, raised('edge', transitions), 1);
  await store.write(changes);
  return fresh.map((each) => each.transition);
}

const sendBefore = record;
const send = async (branch: number, ...transitions: AlertTransition[]) => {
  const way: Way = { life: 'life', branch };
  return record(await onTheirWay(store, transitions, way));
};
const states = async () => (await listEpisodes(store, { limit: 100 })).items.map(({ state }) => state);

test('an episode that the old copy had open is continued as one of its own where it goes another way', async () => {
  await sendBefore([step(1, 'pending', 0), firing(2, 10), resolved(3, 20)]);
  const told = await send(1, firing(2, 1000), resolved(3, 1010));
  expect(told.map(({ seq, ts }) => [seq, ts - T0])).toEqual([
    [2, 1000],
    [3, 1010],
  ]);
  expect(new Set(told.map(({ episode }) => episode)).size).toBe(1);
  expect(told[0]!.episode).not.toBe('episode0001');
  expect(await getEpisode(store, 'episode0001')).toMatchObject({ resolvedAt: T0 + 20 });
  expect(await states()).toEqual(['resolved', 'resolved']);
});

test('the same however it is cut, and sent again', async () => {
  await sendBefore([firing(1, 0), firing(2, 10)]);
  expect(await send(1, firing(2, 1000))).toHaveLength(1);
  expect(await send(1, firing(2, 1000))).toHaveLength(0);
  expect(await states()).toEqual(['firing', 'firing']);
  // Nobody else will end what was left open.
  expect(await send(1, resolved(3, 1010))).toHaveLength(2);
  expect(await send(1, resolved(3, 1010))).toHaveLength(0);
  expect(await states()).toEqual(['resolved', 'resolved']);
});

test('what both made of the same readings is told once', async () => {
  await sendBefore([firing(1, 0), resolved(2, 20)]);
  expect(await send(1, resolved(2, 20))).toEqual([]);
  expect(await states()).toEqual(['resolved']);
});

test('an episode that goes on where it was goes on', async () => {
  await sendBefore([firing(1, 0)]);
  expect(await send(1, resolved(2, 1000))).toMatchObject([{ episode: 'episode0001', seq: 2 }]);
  expect(await send(1, { ...firing(1, 2000), episode: 'episode0002' })).toMatchObject([{ episode: 'episode0002' }]);
});

test('gone back again, it is one more', async () => {
  await sendBefore([firing(1, 0), resolved(2, 20)]);
  await send(1, resolved(2, 1000));
  const told = await send(2, resolved(2, 2000));
  expect(told).toHaveLength(1);
  expect(await states()).toHaveLength(3);
  expect(await send(2, resolved(2, 2000))).toEqual([]);
});

test('the episodes of another device are left alone', async () => {
  await sendBefore([{ ...firing(1, 0), device: 'gw2' }]);
  expect(await send(1, firing(1, 1000))).toEqual([]);
});

test('what began since the copy was made, and whose end went with the disk, is ended by the next end of its rule there', async () => {
  await sendBefore([firing(1, 100)]);
  await sendBefore([{ ...firing(1, 100), episode: 'episode0009', sensor: 'oven2' }]);
  const later = { episode: 'episode0002', startedAt: T0 + 500 };
  await send(1, { ...firing(1, 500), ...later });
  expect(await states()).toEqual(['firing', 'firing', 'firing']);
  const told = await send(1, { ...resolved(2, 600), ...later, historical: true });
  expect(told.map(({ episode, seq, historical }) => [episode, seq, historical])).toEqual([
    ['episode0002', 2, true],
    ['episode0001', 2, undefined],
  ]);
  expect(await send(1, { ...resolved(2, 600), ...later, historical: true })).toEqual([]);
  expect(await getEpisode(store, 'episode0001')).toMatchObject({ state: 'resolved', resolvedAt: T0 + 600 });
  expect(await getEpisode(store, 'episode0009')).toMatchObject({ state: 'firing' });
});
