import type { Reading } from '@weir/protocols';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Gateway, policyOf } from './forwarding.fixture.ts';

const T0 = 1_700_000_040_000;
const MINUTE = 60_000;
const at = (second: number, value: Reading['value'], over: Partial<Reading> = {}): Reading => ({
  sensor: 's',
  metric: 'v',
  value,
  ts: T0 + second * 1000,
  ...over,
});

async function gatewayOf(entry: object = { every: '60s' }): Promise<Gateway> {
  const gateway = new Gateway();
  await gateway.deploy(policyOf('thin', entry));
  return gateway;
}

const MINUTE_OF_1_TO_4 = ['v.mean 2.5', 'v.min 1', 'v.max 4', 'v.count 4'];

test('a window is told of at its end, once event time has passed that by what readings may be late', async () => {
  const gateway = await gatewayOf();
  for (const [second, value] of [
    [0, 4],
    [20, 1],
    [40, 2],
    [59, 3],
    [60, 9],
    [64, 9],
  ] as const)
    await gateway.step([at(second, value, { unit: 'mm' })]);
  expect(gateway.sent).toEqual([]);
  await gateway.step([at(65, 9, { unit: 'mm' })]);
  expect(gateway.sent.map(({ ts, unit }) => [ts - T0, unit])).toEqual([
    [MINUTE, 'mm'],
    [MINUTE, 'mm'],
    [MINUTE, 'mm'],
    [MINUTE, undefined],
  ]);
  expect(gateway.take()).toEqual(MINUTE_OF_1_TO_4);
});

test('a sensor that falls silent keeps no window open, also with a clock that is behind', async () => {
  const gateway = await gatewayOf();
  const behind = 3_600_000;
  for (let second = 0; second < 4; second++) await gateway.step([at(second, second + 1)], T0 + behind + second * 1000);
  await gateway.tick(T0 + behind + 64_000);
  expect(gateway.take()).toEqual([]);
  await gateway.tick(T0 + behind + 65_000);
  expect(gateway.take()).toEqual(MINUTE_OF_1_TO_4);
  await gateway.tick(T0 + behind + 9e6);
  expect(gateway.take()).toEqual([]);
});

test('what comes later than that is told in one more window of the same end', async () => {
  const gateway = await gatewayOf({ every: '60s', values: ['count', 'max'] });
  await gateway.step([at(0, 1), at(1, 2)]);
  await gateway.step([at(70, 1)]);
  expect(gateway.take()).toEqual(['v.max 2', 'v.count 2']);
  await gateway.step([at(2, 7)], T0 + 71_000);
  await gateway.step([at(3, 8)], T0 + 75_000);
  expect(gateway.take()).toEqual([]);
  await gateway.tick(T0 + 76_000);
  expect(gateway.sent.every(({ ts }) => ts === T0 + MINUTE)).toBe(true);
  expect(gateway.take()).toEqual(['v.max 8', 'v.count 2']);
});

test('an hour that a sensor delivers at once is an hour of windows', async () => {
  const gateway = await gatewayOf({ every: '60s', values: ['count'] });
  const hour = Array.from({ length: 360 }, (_, i) => at(i * 10, i));
  await gateway.step(hour, T0 + 3_600_000);
  await gateway.tick(T0 + 3_700_000);
  expect(gateway.sent.map(({ ts, value }) => [ts, value])).toEqual(
    Array.from({ length: 60 }, (_, i) => [T0 + (i + 1) * MINUTE, 6]),
  );
});

test('a sensor whose clock was set back has whole windows again after one', async () => {
  const gateway = await gatewayOf({ every: '60s', values: ['count'] });
  await gateway.step([at(0, 1)]);
  const back = 86_400_000;
  for (let second = 10; second < 400; second += 10) {
    await gateway.step([at(second, 1, { ts: T0 - back + second * 1000 })], T0 + second * 1000);
  }
  const counts = gateway.sent.filter(({ ts }) => ts > T0 - back + 2 * MINUTE && ts < T0).map(({ value }) => value);
  expect(counts).toEqual([6, 6, 6, 6]);
});

test('a clock of the device that was far ahead closes what it has opened', async () => {
  const gateway = await gatewayOf({ every: '60s', values: ['count'] });
  const wrong = 4_000_000_000_000;
  await gateway.step([at(0, 1, { ts: wrong })], wrong);
  await gateway.step([at(0, 1)]);
  expect(gateway.take()).toEqual(['v.count 1']);
  await gateway.tick(T0 + 70_000);
  expect(gateway.take()).toEqual(['v.count 1']);
});

test('a reading far ahead of its arrival is of the window in which it came', async () => {
  const gateway = await gatewayOf({ every: '60s', values: ['max'] });
  await gateway.step([at(9e6, 5)], T0);
  await gateway.tick(T0 + 200_000);
  expect(gateway.sent.map(({ ts }) => ts)).toEqual([T0 + MINUTE]);
});

test('readings of another unit or quality are in a window of their own; texts and booleans go when they change', async () => {
  const gateway = await gatewayOf({ every: '60s', values: ['mean', 'count'] });
  await gateway.step([at(0, 1), at(1, 3), at(2, 99, { quality: 'bad' }), at(3, 'on'), at(4, 'on'), at(5, true)]);
  expect(gateway.take()).toEqual(['v on', 'v true']);
  await gateway.tick(T0 + 70_000);
  expect(gateway.sent.map(({ quality }) => quality)).toEqual([undefined, undefined, 'bad', 'bad']);
  expect(gateway.take()).toEqual(['v.mean 2', 'v.count 2', 'v.mean 99', 'v.count 1']);
});

test('values that are too large to be added up have a mean between them all the same', async () => {
  const gateway = await gatewayOf({ every: '60s', values: ['mean', 'min', 'max'] });
  await gateway.step([at(0, 1.7e308), at(1, 1.6e308), at(2, -0)]);
  await gateway.tick(T0 + 65_000);
  const [mean, min, max] = gateway.sent.map(({ value }) => Number(value));
  expect(min! <= mean! && mean! <= max!).toBe(true);
  expect(Object.is(min, 0)).toBe(true);
});

test('a metric whose name has no room for more is forwarded as it is', async () => {
  const gateway = await gatewayOf();
  await gateway.step([at(0, 1, { metric: 'm'.repeat(59) }), at(0, 1, { metric: 'm'.repeat(58) })]);
  await gateway.tick(T0 + 65_000);
  expect(gateway.sent.map(({ metric }) => metric.length)).toEqual([59, 63, 62, 62, 64]);
});

const sample = fc.record({
  value: fc.double({ noNaN: true, min: -1e6, max: 1e6 }),
  sensor: fc.constantFrom('a', 'b'),
  seconds: fc.integer({ min: -90, max: 60 }),
});

test('however late, in whatever steps and with whatever restarts: each reading is in one window, and is between its ends', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(sample, { maxLength: 60 }),
      fc.integer({ min: 1, max: 7 }),
      fc.array(fc.nat(20), { maxLength: 4 }),
      async (samples, size, restarts) => {
        const [one, other] = [await gatewayOf(), await gatewayOf()];
        let second = 0;
        const readings = samples.map(({ value, sensor, seconds }) => {
          second = Math.max(0, second + seconds);
          return at(second, value, { sensor });
        });
        for (let i = 0, step = 0; i < readings.length; i += size, step++) {
          const group = readings.slice(i, i + size);
          const receivedAt = Math.max(...readings.slice(0, i + size).map(({ ts }) => ts));
          if (restarts.includes(step)) await other.restart();
          for (const gateway of [one, other]) await gateway.step(group, receivedAt);
          expect(other.written, 'a restart changes nothing').toEqual(one.written);
        }
        for (const gateway of [one, other]) await gateway.tick(T0 + 9e8);
        expect(other.sent).toEqual(one.sent);
        expect([...other.states].sort()).toEqual([...one.states].sort());

        const inWindows = new Map<string, number>();
        for (let i = 0; i < one.sent.length; i += 4) {
          const [mean, min, max, count] = one.sent.slice(i, i + 4).map(({ value }) => Number(value));
          const { sensor, ts } = one.sent[i]!;
          expect(min! <= mean! && mean! <= max!, `${min} ${mean} ${max}`).toBe(true);
          const key = `${sensor} ${ts}`;
          inWindows.set(key, (inWindows.get(key) ?? 0) + count!);
        }
        const wanted = new Map<string, number>();
        for (const { sensor, ts } of readings) {
          const key = `${sensor} ${Math.floor(ts / MINUTE) * MINUTE + MINUTE}`;
          wanted.set(key, (wanted.get(key) ?? 0) + 1);
        }
        expect([...inWindows].sort()).toEqual([...wanted].sort());
        expect(one.forwarding('thin')).toMatchObject({
          windows: 0,
          entries: [{ taken: readings.length, forwarded: one.sent.length }],
        });
      },
    ),
    { numRuns: 60 },
  );
});
