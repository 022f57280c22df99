import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CborValue, encodeCbor } from './cbor.ts';
import { packColumn, unpackColumn } from './packed.ts';

const bytesOf = (numbers: readonly number[]) => encodeCbor(packColumn(Float64Array.from(numbers))).length;

function roundTrip(numbers: readonly number[]): void {
  const column = Float64Array.from(numbers);
  const back = unpackColumn(packColumn(column), column.length)!;
  for (let i = 0; i < column.length; i++) {
    if (!Object.is(back[i], column[i])) throw new Error(`${column[i]} at ${i} came back as ${back[i]}`);
  }
}

const anyNumber = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.constantFrom(0, -0, 5e-324, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 1e308, 0.1, 1 / 3),
);
const decimals = fc
  .tuple(fc.integer({ min: 0, max: 12 }), fc.array(fc.integer({ min: -100_000, max: 100_000 }), { minLength: 1 }))
  .map(([k, wholes]) => wholes.map((whole) => whole / 10 ** k));

describe('every number comes back exactly', () => {
  test('whatever it is', () => {
    fc.assert(fc.property(fc.array(anyNumber, { minLength: 1, maxLength: 200 }), roundTrip));
  });

  test('as decimals, with some that are none among them', () => {
    const mixed = fc
      .tuple(decimals, fc.array(fc.tuple(fc.nat(), anyNumber), { maxLength: 5 }))
      .map(([numbers, others]) => {
        const all = [...numbers];
        for (const [at, number] of others) all[at % all.length] = number;
        return all;
      });
    fc.assert(fc.property(mixed, roundTrip));
  });

  test('as what a computation has made of decimals', () => {
    const computed = decimals.map((numbers) => numbers.map((number, at) => number * (1 + (at % 3) * Number.EPSILON)));
    fc.assert(fc.property(computed, roundTrip));
    roundTrip([-74.93588199999998, 74.93588199999998, 73.96732207, 0, -0.1, 0.1 + 0.2]);
  });

  test('in columns as long as a batch can be', () => {
    roundTrip(
      Array.from({ length: 65_536 }, (_, at) => (at === 65_535 ? Math.PI : Math.round(20 * Math.sin(at)) / 10)),
    );
  });
});

describe('what it takes', () => {
  const HEAD = 40;
  test.each<[string, number[], number]>([
    ['a constant', Array(1000).fill(21.5), 20],
    ['a clock that ticks by the second', Array.from({ length: 1000 }, (_, at) => at * 1000), HEAD],
    [
      'a clock that jitters by 100 ms',
      Array.from({ length: 1000 }, (_, at) => at * 1000 + ((at * 37) % 100)),
      1000 + HEAD,
    ],
    ['tenths', Array.from({ length: 1000 }, (_, at) => Math.round(200 + 100 * Math.sin(at / 50)) / 10), 1000 + HEAD],
    [
      'tenths with a few odd ones',
      Array.from({ length: 1000 }, (_, at) => (at % 100 === 0 ? Math.PI : (at % 9) / 10)),
      1100 + HEAD,
    ],
    ['what a computation left', Array.from({ length: 1000 }, (_, at) => ((at % 9) + 1) * 0.1 + 0.2), 2100 + HEAD],
    ['anything', Array.from({ length: 1000 }, (_, at) => Math.sin(at)), 8000 + HEAD],
  ])('%s', (_, numbers, bytesMax) => {
    expect(bytesOf(numbers)).toBeLessThanOrEqual(bytesMax);
    roundTrip(numbers);
  });
});

describe('what is no column is told from one', () => {
  const v = Int8Array.of(1, 2, 3);
  test.each<[string, CborValue | undefined]>([
    ['nothing', undefined],
    ['a text', 'x'],
    ['too short', v.subarray(1)],
    ['no scale', { b: 0, v }],
    ['a negative scale', { k: -1, b: 0, v }],
    ['a scale out of range', { k: 16, b: 0, v }],
    ['a base that is not whole', { k: 1, b: 0.5, v }],
    ['a first that is not whole', { k: 1, b: 0, f: 0.5, v }],
    ['numbers that are none', { k: 1, b: 0, v: [1, 2, 3] }],
    ['steps for one too many', { k: 1, b: 0, f: 0, v: Int8Array.of(1, 2, 3, 4) }],
    ['places without numbers', { k: 1, b: 0, v, p: Uint16Array.of(1) }],
    ['numbers without places', { k: 1, b: 0, v, y: Float64Array.of(1) }],
    ['a place outside', { k: 1, b: 0, v, p: Uint16Array.of(3), y: Float64Array.of(1) }],
    ['steps beside without places', { k: 1, b: 0, v, u: Int8Array.of(1) }],
    ['steps beside at a place outside', { k: 1, b: 0, v, m: Uint16Array.of(3), u: Int8Array.of(1) }],
    ['steps beside of another type', { k: 1, b: 0, v, m: Uint16Array.of(1), u: Float64Array.of(1) }],
    ['places of another type', { k: 1, b: 0, v, p: Int8Array.of(1), y: Float64Array.of(1) }],
  ])('%s', (_, value) => {
    expect(unpackColumn(value, 3)).toBeUndefined();
  });
});
