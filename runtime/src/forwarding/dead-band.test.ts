import { forwardingMode, forwardingSchema, type Reading } from '@weir/protocols';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bandAt, type ChangeMode } from './dead-band.ts';
import { Gateway, policyOf } from './forwarding.fixture.ts';

const at = (second: number, value: Reading['value'], over: Partial<Reading> = {}): Reading => ({
  sensor: 's',
  metric: 't',
  value,
  ts: 1_000_000 + second * 1000,
  ...over,
});

/** @returns values that were forwarded */
async function forwarded(entry: object, ...readings: Reading[]): Promise<Reading['value'][]> {
  const gateway = new Gateway();
  await gateway.deploy(policyOf('thin', entry));
  for (const reading of readings) await gateway.step([reading], 1_000_000 + 100_000);
  return gateway.sent.map(({ value }) => value);
}

const values = (...list: Reading['value'][]) => list.map((value, second) => at(second, value));

test.each<[string, object, Reading[], Reading['value'][]]>([
  ['the first reading, and what is out of the band', { onChange: 0.5 }, values(20, 20.5, 20.4, 20.6, 20.2), [20, 20.6]],
  ['a drift, by the last one that was forwarded', { onChange: 1 }, values(1, 1.6, 2.1, 2.9, 3.2), [1, 2.1, 3.2]],
  ['what is within the band in decimals is within it', { onChange: 0.2 }, values(2, 2.2, 1.8), [2]],
  ['a percentage, of the last one forwarded', { onChange: '10%' }, values(100, 109, 111, 121, 123), [100, 111, 123]],
  ['a percentage below zero', { onChange: '10%' }, values(-100, -91, -89), [-100, -89]],
  ['with a floor near zero', { onChange: '10%', floor: 0.5 }, values(0, 0.4, -0.5, 0.6, 0.2), [0, 0.6]],
  ['without one, any change of zero', { onChange: '10%' }, values(0, 0.001, 0.001), [0, 0.001]],
  ['a band of nothing: any change', { onChange: 0 }, values(1, 1, 1.0000001, 1), [1, 1.0000001, 1]],
  [
    'texts and booleans when they change',
    { onChange: 5 },
    values('a', 'a', 'b', true, true, 3, false),
    ['a', 'b', true, 3, false],
  ],
  [
    'a sign of life',
    { onChange: 1, atLeast: '10s' },
    [at(0, 1), at(5, 1.1), at(10, 1.2), at(19, 1.3), at(20, 1.4)],
    [1, 1.2, 1.4],
  ],
  [
    'another unit or quality',
    { onChange: 1 },
    [at(0, 1), at(1, 1, { unit: 'Cel' }), at(2, 1, { unit: 'Cel', quality: 'bad' }), at(3, 1, { unit: 'Cel' })],
    [1, 1, 1, 1],
  ],
])('forwarded on change is %s', async (_what, entry, readings, expected) => {
  expect(await forwarded(entry, ...readings)).toEqual(expected);
});

describe('late readings', () => {
  test('are compared with one another: what is younger is no measure for them', async () => {
    const readings = [at(10, 10), at(1, 5), at(2, 5.1), at(11, 10.2), at(3, 9.9), at(12, 12)];
    expect(await forwarded({ onChange: 1 }, ...readings)).toEqual([10, 5, 9.9, 12]);
  });

  test('of a sensor whose clock was set back for good are thinned out as any other', async () => {
    const back = Array.from({ length: 50 }, (_, i) => at(i - 500, 3 + (i % 2) / 10));
    expect(await forwarded({ onChange: 1 }, at(0, 3), ...back)).toEqual([3, 3]);
  });

  test('a time ahead of its arrival rules only until then', async () => {
    expect(await forwarded({ onChange: 1 }, at(9e6, 10), at(50, 10.5), at(99, 20), at(112, 30))).toContain(30);
  });
});

test('series are told apart', async () => {
  const readings = [
    at(0, 1),
    at(0, 1, { sensor: 'r' }),
    at(1, 1),
    at(1, 1, { metric: 'u' }),
    at(2, 1, { sensor: 'r' }),
  ];
  expect(await forwarded({ onChange: 1 }, ...readings)).toEqual([1, 1, 1]);
});

const bands = fc.oneof(
  fc.record({ onChange: fc.constantFrom(0, 0.1, 0.5, 3) }),
  fc.record({ onChange: fc.constantFrom('1%', '10%'), floor: fc.constantFrom(0, 0.3) }),
);
const sample = fc.record({ value: fc.integer({ min: -300, max: 300 }), seconds: fc.integer({ min: -5, max: 20 }) });

test('each reading that is not forwarded is within the band of one that was, and is no younger', async () => {
  await fc.assert(
    fc.asyncProperty(
      bands,
      fc.array(sample, { maxLength: 60 }),
      fc.integer({ min: 1, max: 7 }),
      async (band, samples, size) => {
        const mode = forwardingMode(forwardingSchema.parse({ name: 'n', forward: [band] }).forward[0]!) as ChangeMode;
        const gateway = new Gateway();
        await gateway.deploy(policyOf('thin', band));
        let second = 0;
        const readings = samples.map(({ value, seconds }) => {
          second += seconds;
          return at(second, value / 10);
        });
        for (let i = 0; i < readings.length; i += size) await gateway.step(readings.slice(i, i + size), 2_000_000_000);
        let sent = 0;
        const before: Reading[] = [];
        for (const reading of readings) {
          const next = gateway.sent[sent];
          if (next !== undefined && next.ts === reading.ts && next.value === reading.value) {
            before.push(next);
            sent++;
            continue;
          }
          const isNear = (each: Reading) =>
            each.ts <= reading.ts &&
            Math.abs(Number(each.value) - Number(reading.value)) <= bandAt(mode, Number(each.value)) + 1e-9;
          expect(before.some(isNear), `${reading.value} at ${reading.ts}`).toBe(true);
        }
        expect(sent).toBe(gateway.sent.length);
        const { taken, forwarded } = gateway.forwarding('thin').entries[0]!;
        expect([taken, forwarded]).toEqual([readings.length, gateway.sent.length]);
      },
    ),
    { numRuns: 60 },
  );
});
