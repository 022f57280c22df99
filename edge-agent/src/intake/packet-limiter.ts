/**
 * A byte limit in front of an MQTT parser that has none: follows the fixed headers and tells as soon as one declares
 * more than is allowed, before its bytes are buffered.
 *
 *     byte 0: type and flags | bytes 1-4: remaining length, 7 bits each, least first | that many bytes | next packet
 *
 * @see MQTT 3.1.1 section 2.2
 */
export class PacketLimiter {
  /** Bytes of the packet on hand that are still to come. */
  #rest = 0;
  #inHeader = false;
  #length = 0;
  #shift = 0;
  #bytesMax: number;

  /** @param bytesMax of a whole packet, fixed header included */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  set bytesMax(value: number) {
    this.#bytesMax = value;
  }

  /** True between two packets. */
  get isBetween(): boolean {
    return this.#rest === 0 && !this.#inHeader;
  }

  /** @returns false once a packet is too large or its length malformed; the connection is then of no use. */
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
      if (this.isBetween) break;
    }
    return at;
  }

  #lengthByte(byte: number): boolean {
    this.#length += (byte & 0x7f) * 2 ** this.#shift;
    this.#shift += 7;
    if (byte & 0x80) return this.#shift < 28;
    this.#inHeader = false;
    this.#rest = this.#length;
    return 1 + this.#shift / 7 + this.#length <= this.#bytesMax;
  }
}
