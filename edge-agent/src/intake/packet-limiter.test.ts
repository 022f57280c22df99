import fc from 'fast-check';
import { generate } from 'mqtt-packet';
import { expect, test } from 'vitest';
import { PacketLimiter } from './packet-limiter.ts';

const publish = (payloadBytes: number) =>
  generate({ cmd: 'publish', topic: 't', payload: Buffer.alloc(payloadBytes), qos: 0, dup: false, retain: false });

test('packets within the limit pass, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
      (sizes, cuts) => {
        const bytes = Buffer.concat(sizes.map(publish));
        const limiter = new PacketLimiter(1024);
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const end = at + cuts[i % cuts.length]!;
          expect(limiter.accept(bytes.subarray(at, end))).toBe(true);
          at = end;
        }
      },
    ),
  );
});

test('the end of a packet is found to the byte, however the stream is cut', () => {
  const [first, second] = [publish(300), publish(5)];
  const bytes = Buffer.concat([first, second]);
  for (let cut = 1; cut < bytes.length; cut++) {
    const limiter = new PacketLimiter(1024);
    let end = limiter.packetEnd(bytes.subarray(0, cut))!;
    if (!limiter.isBetween) end += limiter.packetEnd(bytes.subarray(cut))!;
    expect([cut, end, limiter.isBetween]).toEqual([cut, first.length, true]);
  }
});

test('a header that declares too much is refused before its bytes arrive', () => {
  const limiter = new PacketLimiter(1024);
  expect(limiter.accept(publish(900))).toBe(true);
  // PUBLISH of 268,435,455 bytes, the most that four length bytes can say.
  expect(limiter.accept(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]))).toBe(false);
});

test('the limit is exact to the byte', () => {
  const packet = publish(500);
  expect(new PacketLimiter(packet.length).accept(packet)).toBe(true);
  expect(new PacketLimiter(packet.length - 1).accept(packet)).toBe(false);
});

test('a length of more than four bytes is malformed', () => {
  expect(new PacketLimiter(2 ** 40).accept(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01]))).toBe(false);
});
