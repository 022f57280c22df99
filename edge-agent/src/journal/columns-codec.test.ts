import { columnsOf, readingsOf } from '@weir/protocols';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { numbered } from '../spool/spool.fixture.ts';
import { encodeColumns, readColumns } from './columns-codec.ts';

test('a bit that the card has flipped is found, wherever it is: it never makes another reading', () => {
  const readings = numbered(0, 20);
  const bytes = encodeColumns(columnsOf(readings));
  expect([...readingsOf(readColumns(bytes, 20)!)]).toEqual(readings);
  fc.assert(
    fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
      const damaged = Uint8Array.from(bytes);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(readColumns(damaged, 20)).toBeUndefined();
    }),
  );
});

test('bytes that are cut short are no readings', () => {
  const bytes = encodeColumns(columnsOf(numbered(0, 3)));
  for (let length = 0; length < bytes.length; length++)
    expect(readColumns(bytes.subarray(0, length), 3)).toBeUndefined();
});
