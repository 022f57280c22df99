import { expect, test } from 'vitest';
import type { HttpRequest } from '../fold/fold.ts';
import { RequestRoom } from './room.ts';

const asked = (n: number, more: Partial<HttpRequest> = {}): HttpRequest => ({
  ...{ id: `f:1:${n}`, fold: 'f', key: '', name: 'ask', method: 'POST' as const, url: 'https://a.example.com/' },
  ...{ headers: {}, body: 'x'.repeat(100), timeoutMs: 1_000, retries: 3, ...more },
});
const many = (count: number, more: Partial<HttpRequest> = {}) =>
  Array.from({ length: count }, (_, n) => asked(n, more));
const fine = () => undefined;

const WIDE = { waitingBytesMax: 10_000, totalMax: 100, totalBytesMax: 100_000 };

test('over its bound a function is told so; its neighbours, and itself on another device, have their own room', () => {
  const room = new RequestRoom({ ...WIDE, waitingMax: 3 });
  const { kept, overflowed, dropped } = room.admit('gw1', many(5), fine);
  expect(kept.map(({ refused }) => refused?.slice(0, 40))).toEqual([
    ...[undefined, undefined, undefined],
    ...['3 requests of this function wait already', '3 requests of this function wait already'],
  ]);
  expect([overflowed, dropped]).toEqual([2, 0]);
  expect(kept[4]!.request.body).toBeUndefined();
  expect(room.admit('gw1', many(3, { fold: 'g' }), fine).overflowed).toBe(0);
  expect(room.admit('gw2', many(3), fine).overflowed).toBe(0);
});

test('few large requests take as much room as many small ones', () => {
  const room = new RequestRoom({ ...WIDE, waitingMax: 100, waitingBytesMax: 1_000 });
  const { kept, overflowed } = room.admit('gw1', [asked(0, { body: 'x'.repeat(900) }), asked(1)], fine);
  expect(overflowed).toBe(1);
  expect(kept[1]!.refused).toContain('functions.requests.waitingBytesMax');
});

test('what was answered makes room again, and what the database has takes it', () => {
  const room = new RequestRoom({ ...WIDE, waitingMax: 2 });
  const { kept } = room.admit('gw1', many(2), fine);
  room.release(kept.slice(0, 1));
  expect(room.admit('gw1', many(2), fine).overflowed).toBe(1);
  room.reset(kept);
  expect(room.waiting).toBe(2);
  expect(room.admit('gw1', many(1), fine).overflowed).toBe(1);
});

test('not even refusals grow without bound: a function that asks without end is not told of each', () => {
  const room = new RequestRoom({ ...WIDE, waitingMax: 2 });
  const { kept, dropped } = room.admit('gw1', many(1_000), () => 'is not allowed');
  expect(kept).toHaveLength(10);
  expect(dropped).toBe(990);
});

test('many functions together do not fill disk and memory either', () => {
  const room = new RequestRoom({ ...WIDE, waitingMax: 10, totalMax: 3 });
  for (const fold of ['f', 'g', 'h']) expect(room.admit('gw1', many(1, { fold }), fine).overflowed).toBe(0);
  const { kept } = room.admit('gw1', many(1, { fold: 'i' }), fine);
  expect(kept[0]!.refused).toBe('3 requests of all functions wait already, over functions.requests.totalMax');
  const bytes = new RequestRoom({ ...WIDE, waitingMax: 10, totalBytesMax: 200 });
  expect(bytes.admit('gw1', many(2, { fold: 'f' }), fine).kept[1]!.refused).toContain('totalBytesMax');
});
