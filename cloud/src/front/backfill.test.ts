import { beforeEach, expect, test } from 'vitest';
import { Backfill, HELD_MS_MAX, type Place } from './backfill.ts';

let sleepers: { until: number; wake: () => void }[];
let now: number;
let backfill: Backfill;
let released: string[];

beforeEach(() => {
  sleepers = [];
  now = 0;
  released = [];
  backfill = new Backfill({
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        sleepers.push({ until: now + ms, wake: resolve });
        signal?.addEventListener('abort', () => resolve());
      }),
  });
});

async function advance(ms: number): Promise<void> {
  now += ms;
  for (const { until, wake } of sleepers) if (until <= now) wake();
  await settled();
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

function enter(device: string, name: string): Place {
  const place = backfill.enter(device)!;
  void place.passed.then(() => released.push(name));
  return place;
}

test('a batch is held back until the worker has passed it, each in its turn and those of a device by themselves', async () => {
  enter('gw1', 'a');
  enter('gw1', 'b');
  enter('gw2', 'c');
  await advance(HELD_MS_MAX - 1);
  expect(released).toEqual([]);
  backfill.pass('gw1');
  await settled();
  expect(released).toEqual(['a']);
  backfill.pass('gw2');
  backfill.pass('gw1');
  await settled();
  expect(released.toSorted()).toEqual(['a', 'b', 'c']);
});

test('a worker that is stuck holds nothing back for longer than agents wait', async () => {
  enter('gw1', 'a');
  await advance(HELD_MS_MAX);
  expect(released).toEqual(['a']);
  expect(HELD_MS_MAX).toBeLessThan(5_000);
});

test('what was passed and nobody holds counts for none of those that come', async () => {
  backfill.pass('gw1');
  enter('gw1', 'late');
  await advance(HELD_MS_MAX);
  enter('gw1', 'next');
  await settled();
  expect(released).toEqual(['late']);
  backfill.pass('gw1');
  await settled();
  expect(released).toEqual(['late', 'next']);
});

test('one that did not get into the log keeps no place', async () => {
  enter('gw1', 'failed').leave();
  await settled();
  enter('gw1', 'next');
  backfill.pass('gw1');
  await settled();
  expect(released).toEqual(['failed', 'next']);
});

test('so many of one device are held back, and then no more; when the front stops, none', async () => {
  const places = Array.from({ length: 1_000 }, () => backfill.enter('gw1'));
  expect(places.filter((place) => place !== undefined).length).toBeLessThan(100);
  expect(backfill.enter('gw2')).toBeDefined();
  backfill.release();
  await Promise.all(places.map((place) => place?.passed));
  enter('gw1', 'again');
  backfill.pass('gw1');
  await settled();
  expect(released).toEqual(['again']);
});
