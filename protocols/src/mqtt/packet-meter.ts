/**
 * Watches the size of MQTT packets as their bytes go by, so that none is gathered in memory that is larger than
 * allowed: the broker behind has no limit of its own.
 *
 *     byte 0: type and flags | bytes 1-4: remaining length, 7 bits each, least first | that many bytes | next packet
 *
 * It is on the way of every byte: nothing is made for a packet.
 *
 * @see MQTT 3.1.1 section 2.2
 */
export type PacketFault = 'packet-too-large' | 'malformed-length';

/** Behind the last length byte that there may be. */
const SHIFT_END = 28;

export class PacketMeter {
  /** Bytes of a whole packet at most, fixed header included; may change between packets. */
  bytesMax: number;
  #fault: PacketFault | undefined;
  /** Bytes of the packet on hand that are still to come. */
  #rest = 0;
  #inHeader = false;
  #length = 0;
  #shift = 0;
  #packets = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Why the connection is of no use any more. */
  get fault(): PacketFault | undefined {
    return this.#fault;
  }

  /** That have ended so far. */
  get packets(): number {
    return this.#packets;
  }

  /** True between two packets. */
  get isBetween(): boolean {
    return this.#rest === 0 && !this.#inHeader;
  }

  /** @returns false once there is a {@link fault}: as soon as a header declares too much, before its bytes have come */
  accept(chunk: Uint8Array): boolean {
    let at: number | undefined = 0;
    while (at !== undefined && at < chunk.length) at = this.packetEnd(chunk, at);
    return at !== undefined;
  }

  /**
   * Follows the packet on hand, from `from` on, until it ends or the chunk does.
   * @returns where that is; undefined where {@link accept} would return false
   */
  packetEnd(chunk: Uint8Array, from = 0): number | undefined {
    let at = from;
    while (at < chunk.length) {
      if (this.#rest > 0) {
        const taken = Math.min(this.#rest, chunk.length - at);
        this.#rest -= taken;
        at += taken;
      } else if (!this.#inHeader) {
        this.#inHeader = true;
        this.#length = 0;
        this.#shift = 0;
        at++;
      } else if (!this.#lengthByte(chunk[at++]!)) return undefined;
      if (this.isBetween) {
        this.#packets++;
        break;
      }
    }
    return at;
  }

  #lengthByte(byte: number): boolean {
    this.#length += (byte & 0x7f) * 2 ** this.#shift;
    this.#shift += 7;
    // [MQTT-2.2.3] four bytes at most
    if (byte & 0x80) return this.#shift < SHIFT_END || this.#fail('malformed-length');
    this.#inHeader = false;
    this.#rest = this.#length;
    return 1 + this.#shift / 7 + this.#length <= this.bytesMax || this.#fail('packet-too-large');
  }

  #fail(fault: PacketFault): false {
    this.#fault = fault;
    return false;
  }
}
