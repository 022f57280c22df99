import { expect, test } from 'vitest';
import { type Batch, encodeBatch } from './batch.ts';
import { columnsOf } from './columns.ts';
import { decodeTrace, encodeTrace } from './trace.ts';

const batch = (seq: number, values: number[]): Batch => ({
  kind: 'readings',
  epoch: 'e',
  seq,
  count: values.length,
  columns: columnsOf(values.map((value, at) => ({ sensor: 's', metric: 'm', value, ts: seq + at }))),
});

test('a trace is a row of batches, or one batch as it is on the wire', () => {
  const batches = [batch(0, [1, 2]), batch(2, [3])];
  expect([...decodeTrace(encodeTrace(batches))]).toEqual(batches);
  expect([...decodeTrace(encodeBatch(batches[1]!))]).toEqual([batches[1]]);
  expect([...decodeTrace(new Uint8Array(0))]).toEqual([]);
});

test('what is wrong is told with the batch and its place; nothing is allocated for a length that is a lie', () => {
  const bytes = encodeTrace([batch(0, [1, 2]), batch(2, [3])]);
  const check = (bad: Uint8Array, code: string, message: RegExp) =>
    expect(() => [...decodeTrace(bad)]).toThrowError(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  check(bytes.subarray(0, bytes.length - 1), 'truncated', /^batch 2, from byte \d+: bytes are missing/);
  check(bytes.subarray(0, 3), 'truncated', /^batch 1, from byte 0/);
  check(Uint8Array.of(0, 0xff, 0xff, 0xff, 1), 'too-large', /^batch 1, from byte 0: 16777215 bytes/);
  check(Uint8Array.of(0, 0, 0, 1, 0xf6), 'malformed', /^batch 1, from byte 4: a batch is a CBOR map/);
  check(Uint8Array.of(0xf6), 'malformed', /^batch 1/);
});
