import type { BacklogPace } from '@weir/protocols';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { Backfill, WAIT_MS } from './backfill.ts';

let now: number;
let told: [device: string, pace: BacklogPace][];
let backfill: Backfill;

beforeEach(begin);

function begin(): void {
  now = 0;
  told = [];
  backfill = new Backfill({ now: () => now, tell: (device, pace) => told.push([device, pace]) });
}

/** The worker takes so long for each of the batches that are there. */
function work(device: string, batches: number, ms: number): void {
  for (let i = 0; i < batches; i++) {
    now += ms;
    backfill.pass(device);
  }
}

const waits = () => told.map(([, { backlogWaitMs }]) => backlogWaitMs);

test('a worker that keeps up is let be: once it is known, nothing is told', () => {
  backfill.enter('gw1', 10_000);
  work('gw1', 1, 20);
  for (let round = 0; round < 100; round++) {
    backfill.enter('gw1', 10_000);
    backfill.enter('gw1', 10_000);
    work('gw1', 2, 20);
  }
  expect(told).toEqual([]);
});

test('as long as it is not known, a device waits for the first batches to be passed', () => {
  for (let i = 0; i < 4; i++) backfill.enter('gw1', 10_000);
  expect(told).toEqual([['gw1', { backlogWaitMs: WAIT_MS }]]);
  work('gw1', 4, 1);
  expect(told.at(-1)).toEqual(['gw1', { backlogWaitMs: 0 }]);
});

test('a device whose backlog takes long is told to wait, to send little at a time, and to go on when there is room', () => {
  for (let i = 0; i < 5; i++) backfill.enter('gw1', 10_000);
  backfill.enter('gw2', 10);
  work('gw1', 4, 1_000);
  expect(waits()).not.toContain(0);
  // A tenth of a millisecond for each: 2,000 in 200 ms.
  expect(told.at(-1)).toEqual(['gw1', { backlogWaitMs: WAIT_MS, backlogItems: 500 }]);
  work('gw1', 1, 1_000);
  expect(told.at(-1)).toEqual(['gw1', { backlogWaitMs: 0, backlogItems: 500 }]);
  expect(told.filter(([device]) => device === 'gw2')).toEqual([]);
  for (let i = 0; i < 3; i++) backfill.enter('gw1', 500);
  expect(waits().at(-1)).toBe(0);
  backfill.enter('gw1', 500);
  expect(waits().at(-1)).toBe(WAIT_MS);
});

test('as long as it holds it is told again, before the device would go on by itself, and not with each batch', () => {
  for (let i = 0; i < 40; i++) backfill.enter('gw1', 10_000);
  work('gw1', 39, 200);
  expect(waits().every((ms) => ms === WAIT_MS)).toBe(true);
  expect(told.length).toBeGreaterThan(5);
  expect(told.length).toBeLessThan(12);
});

test('what was passed and never entered counts for none of those that come', () => {
  for (let i = 0; i < 10; i++) backfill.pass('gw1');
  for (let i = 0; i < 2; i++) backfill.enter('gw1', 10);
  expect(waits()).toEqual([WAIT_MS]);
});

test('one that did not get into the log keeps no place, and a device that is gone is not told to go on', () => {
  const leaves = [1, 2, 3].map((items) => backfill.enter('gw1', items));
  for (const leave of leaves) leave();
  expect(waits()).toEqual([WAIT_MS, 0]);
  for (let i = 0; i < 3; i++) backfill.enter('gw1', 10);
  backfill.gone('gw1');
  work('gw1', 3, 1);
  expect(waits()).toEqual([WAIT_MS, 0, WAIT_MS]);
});

test('whatever comes and is passed, who was told to wait is told to go on in the end', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(3_000), fc.integer({ min: 1, max: 50_000 })), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(steps, (all) => {
      begin();
      let waiting = 0;
      for (const [isEntry, ms, items] of all) {
        now += ms;
        if (isEntry) backfill.enter('gw1', items);
        else backfill.pass('gw1');
        waiting = Math.max(0, waiting + (isEntry ? 1 : -1));
      }
      work('gw1', waiting, 1);
      expect(waits().at(-1) ?? 0).toBe(0);
    }),
  );
});
