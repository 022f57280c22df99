import type { Lane } from '@weir/protocols';
import { beforeEach, expect, test } from 'vitest';
import { DELIVERED_EVERY_MS, Delivered } from './delivered.ts';

let timers: { at: number; run: () => void }[];
let now: number;
let noted: [Lane, number][];
let isCardFull: boolean;
let delivered: Delivered;

beforeEach(() => {
  timers = [];
  now = 0;
  noted = [];
  isCardFull = false;
  const after = (ms: number, run: () => void) => {
    const timer = { at: now + ms, run };
    timers.push(timer);
    return () => void timers.splice(timers.indexOf(timer), 1);
  };
  delivered = new Delivered({ after }, async (lane, through) => {
    if (isCardFull) throw new Error('the card is full');
    noted.push([lane, through]);
  });
});

function advance(ms: number): void {
  now += ms;
  for (const timer of timers.filter(({ at }) => at <= now)) {
    timers.splice(timers.indexOf(timer), 1);
    timer.run();
  }
}

test('what is acknowledged within a moment is noted together, and each lane by its last', () => {
  delivered.add('backfill', 10);
  delivered.add('live', 3);
  delivered.add('backfill', 30);
  expect(noted).toEqual([]);
  advance(DELIVERED_EVERY_MS);
  expect(noted).toEqual([
    ['backfill', 30],
    ['live', 3],
  ]);
  advance(DELIVERED_EVERY_MS);
  expect(noted).toHaveLength(2);
  delivered.add('live', 4);
  advance(DELIVERED_EVERY_MS);
  expect(noted.at(-1)).toEqual(['live', 4]);
});

test('whoever stops notes what is left, once', async () => {
  delivered.add('alert', 1);
  await delivered.flush();
  advance(DELIVERED_EVERY_MS);
  expect(noted).toEqual([['alert', 1]]);
});

test('what the card could not keep it is told again, with what has come since', async () => {
  isCardFull = true;
  delivered.add('live', 1);
  delivered.add('report', 1);
  await delivered.flush();
  isCardFull = false;
  delivered.add('live', 2);
  await delivered.flush();
  expect(noted).toEqual([
    ['live', 2],
    ['report', 1],
  ]);
});
