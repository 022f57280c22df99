import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ackTimeoutOf, batchBytesOf, initialPace, type Pace, type PaceLimits, paceAfterAck } from './pace.ts';

const LIMITS: PaceLimits = {
  batchBytesMin: 2_048,
  batchBytesMax: 102_400,
  windowBatches: 16,
  ackTarget: 500,
  ackTimeoutMin: 5_000,
  ackTimeoutMax: 120_000,
};

/** A line that carries so many bytes a second, after so many ms: filled by the window until `batches` are acknowledged. */
function drive(line: { bytesPerS: number; delayMs: number }, batches: number, from = initialPace(LIMITS)) {
  let pace: Pace = from;
  let now = 0;
  let freeAt = 0;
  let longest = 0;
  let carried = 0;
  const queue: { sentAt: number; ackedAt: number; bytes: number }[] = [];
  const inFlight = () => queue.reduce((sum, { bytes }) => sum + bytes, 0);
  for (let done = 0; done < batches; done++) {
    for (;;) {
      const bytes = batchBytesOf(pace, LIMITS);
      if (queue.length > 0 && inFlight() + bytes > pace.windowBytes) break;
      freeAt = Math.max(freeAt, now) + (bytes * 1_000) / line.bytesPerS;
      queue.push({ sentAt: now, ackedAt: freeAt + line.delayMs, bytes });
    }
    const { sentAt, ackedAt, bytes } = queue[0]!;
    now = ackedAt;
    pace = paceAfterAck(pace, { sentAt, bytes, inFlightBytes: inFlight() }, now, LIMITS);
    queue.shift();
    carried += bytes;
    if (done > batches / 2) longest = Math.max(longest, ackedAt - sentAt);
  }
  return { pace, longest, used: (carried * 1_000) / (now * line.bytesPerS) };
}

test('a fast line is filled within some round trips', () => {
  const { pace } = drive({ bytesPerS: 50_000_000, delayMs: 20 }, 200);
  expect(pace.windowBytes).toBe(LIMITS.windowBatches * LIMITS.batchBytesMax);
  expect(batchBytesOf(pace, LIMITS)).toBe(LIMITS.batchBytesMax);
});

test.each([
  ['a modem of 2 kB/s', { bytesPerS: 2_000, delayMs: 300 }, 4_000],
  ['a thin radio link', { bytesPerS: 20_000, delayMs: 200 }, 2_500],
  ['a satellite', { bytesPerS: 200_000, delayMs: 650 }, 2_500],
])('on %s what is on its way takes seconds, not minutes, and the line is used', (_what, line, longestMs) => {
  const { longest, pace } = drive(line, 400);
  expect(longest).toBeLessThan(longestMs);
  const later = drive(line, 800, pace);
  expect(later.pace.windowBytes).toBeLessThan(line.bytesPerS * 3 + LIMITS.batchBytesMin);
  expect(later.used).toBeGreaterThan(0.7);
});

test('a line that is idle between small batches does not seem fast', () => {
  let pace = initialPace(LIMITS);
  for (let now = 0; now < 1_000_000; now += 1_000) {
    pace = paceAfterAck(pace, { sentAt: now, bytes: 300, inFlightBytes: 300 }, now + 20, LIMITS);
  }
  expect(pace.windowBytes).toBe(initialPace(LIMITS).windowBytes);
});

test('a line that carries one batch at a time, and rests, is filled as well: such a batch is half of the window', () => {
  let pace = initialPace(LIMITS);
  for (let now = 0; now < 100_000 && pace.windowBytes < LIMITS.batchBytesMax * 2; now += 1_000) {
    // Not all are as large as they might be.
    const bytes = Math.ceil(batchBytesOf(pace, LIMITS, true) * 0.8);
    pace = paceAfterAck(pace, { sentAt: now, bytes, inFlightBytes: bytes }, now + 20, LIMITS);
  }
  expect(batchBytesOf(pace, LIMITS, true)).toBe(LIMITS.batchBytesMax);
});

test('one late window halves it once, not once for each of its batches', () => {
  let pace: Pace = { ...initialPace(LIMITS), windowBytes: 64_000 };
  pace = paceAfterAck(pace, { sentAt: 0, bytes: 100, inFlightBytes: 100 }, 10, LIMITS);
  for (let at = 1; at <= 8; at++) {
    pace = paceAfterAck(pace, { sentAt: at, bytes: 8_000, inFlightBytes: 64_000 }, 2_000 + at, LIMITS);
  }
  expect(pace.windowBytes).toBe(32_000);
});

test('a time-out follows the line: soon on a fast one, late on a slow one, later after each', () => {
  const after = (took: number) =>
    paceAfterAck(initialPace(LIMITS), { sentAt: 0, bytes: 1, inFlightBytes: 1 }, took, LIMITS);
  expect(ackTimeoutOf(initialPace(LIMITS), LIMITS)).toBe(LIMITS.ackTimeoutMax);
  expect(ackTimeoutOf(after(20), LIMITS)).toBe(LIMITS.ackTimeoutMin);
  expect(ackTimeoutOf(after(10_000), LIMITS)).toBe(30_000);
  expect(ackTimeoutOf(after(1_000_000), LIMITS)).toBe(LIMITS.ackTimeoutMax);
  const timeouts = [1, 2, 3, 4, 5, 1_000].map((n) => ackTimeoutOf(initialPace(LIMITS, n), LIMITS));
  expect(timeouts).toEqual([10_000, 20_000, 40_000, 80_000, 120_000, 120_000]);
});

test('whatever comes, the window holds a small batch and never more than the limits say', () => {
  const event = fc.record({
    took: fc.integer({ min: -10, max: 100_000 }),
    bytes: fc.nat(200_000),
    used: fc.nat(2_000_000),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 100 }), (events) => {
      let pace = initialPace(LIMITS);
      let now = 0;
      for (const { took, bytes, used } of events) {
        now += 100;
        pace = paceAfterAck(pace, { sentAt: now - took, bytes, inFlightBytes: used }, now, LIMITS);
        expect(pace.windowBytes).toBeGreaterThanOrEqual(LIMITS.batchBytesMin);
        expect(pace.windowBytes).toBeLessThanOrEqual(LIMITS.windowBatches * LIMITS.batchBytesMax);
        expect(batchBytesOf(pace, LIMITS)).toBeLessThanOrEqual(LIMITS.batchBytesMax);
        const timeout = ackTimeoutOf(pace, LIMITS);
        expect(timeout >= LIMITS.ackTimeoutMin && timeout <= LIMITS.ackTimeoutMax).toBe(true);
      }
    }),
  );
});
