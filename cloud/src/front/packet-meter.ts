/**
 * Watches the size of MQTT packets as their bytes go by, so that none is gathered in memory that is larger than
 * allowed: the broker itself has no limit.
 *
 *     byte 1          packet type and flags
 *     byte 2 … 5      remaining length, 7 bits each, lowest first    @see MQTT 3.1.1 section 2.2.3
 *     then            as many bytes
 */
export type PacketFault = 'packet-too-large' | 'malformed-length';

const LENGTH_BYTES_MAX = 4;

export class PacketMeter {
  /** Bytes of a whole packet at most; may change between packets. */
  bytesMax: number;
  /** Bytes of the current packet's body still to come. */
  #body = 0;
  /** Bytes of the length read so far; undefined between packets. */
  #lengthBytes: number | undefined;
  #length = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** @returns why the connection must end. */
  take(chunk: Uint8Array): PacketFault | undefined {
    for (let at = 0; at < chunk.length; ) {
      const taken = this.takePacket(chunk.subarray(at));
      if (typeof taken === 'string') return taken;
      at += taken;
    }
    return undefined;
  }

  /** Goes no further than the end of the current packet. @returns the bytes gone by, or why the connection must end */
  takePacket(chunk: Uint8Array): number | PacketFault {
    let at = 0;
    while (at < chunk.length && !(at > 0 && this.isBetween)) {
      if (this.#body > 0) {
        const skipped = Math.min(this.#body, chunk.length - at);
        this.#body -= skipped;
        at += skipped;
      } else if (this.#lengthBytes === undefined) {
        this.#lengthBytes = 0;
        this.#length = 0;
        at++;
      } else {
        const fault = this.#takeLength(chunk[at++]!);
        if (fault !== undefined) return fault;
      }
    }
    return at;
  }

  /** A packet has ended, and of the next one nothing has come. */
  get isBetween(): boolean {
    return this.#body === 0 && this.#lengthBytes === undefined;
  }

  #takeLength(byte: number): PacketFault | undefined {
    const read = this.#lengthBytes!;
    this.#length += (byte & 0x7f) * 128 ** read;
    if (byte & 0x80) {
      this.#lengthBytes = read + 1;
      // [MQTT-2.2.3] four bytes at most
      return read + 1 === LENGTH_BYTES_MAX ? 'malformed-length' : undefined;
    }
    this.#lengthBytes = undefined;
    this.#body = this.#length;
    return 2 + read + this.#length > this.bytesMax ? 'packet-too-large' : undefined;
  }
}
