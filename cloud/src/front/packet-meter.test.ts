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
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 50 }), fc.integer({ min: 3, max: 400 }), (bodies, cut, bytesMax) => {
      const packets = bodies.map(packet);
      const stream = Uint8Array.from(packets.flat());
      const meter = new PacketMeter(bytesMax);
      let fault: string | undefined;
      for (let at = 0; at < stream.length && fault === undefined; at += cut) {
        fault = meter.take(stream.subarray(at, at + cut));
      }
      const over = packets.some((each) => each.length > bytesMax);
      expect(fault).toBe(over ? 'packet-too-large' : undefined);
    }),
  );
});

test('a large packet is refused at its header, before its body comes', () => {
  expect(new PacketMeter(4096).take(Uint8Array.from([0x10, 0xff, 0xff, 0xff, 0x7f]))).toBe('packet-too-large');
});

test('a length of more than four bytes is no MQTT', () => {
  expect(new PacketMeter(4096).take(Uint8Array.from([0x10, 0x80, 0x80, 0x80, 0x80]))).toBe('malformed-length');
});
