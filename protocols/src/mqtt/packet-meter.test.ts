import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PacketMeter } from './packet-meter.ts';

function packet(bodyBytes: number): number[] {
  const bytes = [0x30];
  let rest = bodyBytes;
  do {
    const more = rest >= 128 ? 0x80 : 0;
    bytes.push((rest & 0x7f) | more);
    rest >>>= 7;
  } while (rest > 0);
  return [...bytes, ...new Array<number>(bodyBytes).fill(0xff)];
}

test('packets within the limit pass and one over it is seen, however the stream is cut', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 8 });
  const cuts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 });
  fc.assert(
    fc.property(sizes, cuts, fc.integer({ min: 3, max: 400 }), (bodies, lengths, bytesMax) => {
      const packets = bodies.map(packet);
      const stream = Uint8Array.from(packets.flat());
      const meter = new PacketMeter(bytesMax);
      for (let at = 0, i = 0; at < stream.length; i++) {
        const end = at + lengths[i % lengths.length]!;
        if (!meter.accept(stream.subarray(at, end))) break;
        at = end;
      }
      const over = packets.some((each) => each.length > bytesMax);
      expect(meter.fault).toBe(over ? 'packet-too-large' : undefined);
      if (!over) expect([meter.isBetween, meter.packets]).toEqual([true, packets.length]);
    }),
  );
});

test('the end of a packet is found to the byte, however the stream is cut', () => {
  const [first, second] = [packet(300), packet(5)];
  const bytes = Uint8Array.from([...first, ...second]);
  for (let cut = 1; cut < bytes.length; cut++) {
    const meter = new PacketMeter(1024);
    let end = meter.packetEnd(bytes.subarray(0, cut))!;
    if (!meter.isBetween) end += meter.packetEnd(bytes.subarray(cut))!;
    expect([cut, end, meter.isBetween]).toEqual([cut, first.length, true]);
  }
});

test('the limit is exact to the byte, and may change between packets', () => {
  const bytes = Uint8Array.from(packet(500));
  const meter = new PacketMeter(bytes.length);
  expect(meter.accept(bytes)).toBe(true);
  meter.bytesMax = bytes.length - 1;
  expect(meter.accept(bytes)).toBe(false);
});

test.each([
  // The most that four length bytes can say: 268,435,455 bytes.
  ['packet-too-large', [0x30, 0xff, 0xff, 0xff, 0x7f]],
  ['malformed-length', [0x30, 0x80, 0x80, 0x80, 0x80]],
  ['malformed-length', [0x30, 0xff, 0xff, 0xff, 0xff, 0x01]],
])('%s is seen in the header, before anything of the body has come', (fault, bytes) => {
  const meter = new PacketMeter(4096);
  expect(meter.accept(Uint8Array.from(packet(900)))).toBe(true);
  expect(meter.accept(Uint8Array.from(bytes))).toBe(false);
  expect(meter.fault).toBe(fault);
});
