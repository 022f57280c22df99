import { zstdCompressSync } from 'node:zlib';
import { BATCH_LIMITS, type BatchError } from '@weir/protocols';
import { expect, test } from 'vitest';
import { expanded } from './expanded.ts';

const refusal = (payload: Uint8Array) => {
  try {
    expanded(payload);
    return undefined;
  } catch (error) {
    return (error as BatchError).code;
  }
};

test('what is no frame stays as it is', () => {
  const payload = Uint8Array.of(0xa0, 1, 2);
  expect(expanded(payload)).toBe(payload);
});

test('what was compressed comes back', () => {
  const payload = new Uint8Array(10_000).fill(7);
  expect(Buffer.from(expanded(zstdCompressSync(payload))).equals(payload)).toBe(true);
});

test('a frame that would fill the memory is refused before it does', () => {
  const bomb = zstdCompressSync(new Uint8Array(64 * 1024 * 1024));
  expect(bomb.length).toBeLessThan(BATCH_LIMITS.bytesMax);
  const before = process.memoryUsage().arrayBuffers;
  expect(refusal(bomb)).toBe('too-large');
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024);
});

test('a frame that is cut off or spoilt is malformed', () => {
  const frame = zstdCompressSync(Uint8Array.from({ length: 5_000 }, (_, at) => at * 31));
  expect(refusal(frame.subarray(0, frame.length - 9))).toBe('malformed');
  expect(refusal(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff))).toBe('malformed');
  expect(refusal(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd))).toBe('malformed');
});
