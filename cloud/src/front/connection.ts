import type { TLSSocket } from 'node:tls';
import { type PacketFault, PacketMeter } from '@weir/protocols';

export interface FrontLimits {
  connectionsMax: number;
  /** TLS handshake, and then the CONNECT packet, must come within this. */
  connectTimeoutMs: number;
  /** One packet before the connection is accepted: a CONNECT without will or password. */
  firstPacketBytesMax: number;
  /** One packet afterwards: AWS takes 128 KiB of payload, and a mistake must reach the decoder to be kept aside. */
  packetBytesMax: number;
  /** Payload bytes of one connection that wait to become durable; over it the socket is not read. */
  connectionInFlightBytesMax: number;
  /** The same for all connections together. */
  inFlightBytesMax: number;
  /** Devices that were connected when the hub ended have so long to come back before they count as gone. */
  returnMs: number;
}

export const FRONT_LIMITS: FrontLimits = {
  connectionsMax: 10_000,
  connectTimeoutMs: 10_000,
  firstPacketBytesMax: 4_096,
  packetBytesMax: 262_144,
  connectionInFlightBytesMax: 1_048_576,
  inFlightBytesMax: 67_108_864,
  returnMs: 120_000,
};

/** What waits to become durable, over all connections. */
export interface InFlight {
  bytes: number;
  /** Connections that would read on if it were less. */
  held: Set<Connection>;
}

/**
 * Stands between a socket and the broker: the broker reads it by `read()`, and gets what the limits allow. Until the
 * device is let in that is one packet, its CONNECT. What follows in the same segment [MQTT-3.1.4-5] goes back into
 * the socket, which is not read meanwhile.
 */
export class Connection {
  #socket: TLSSocket;
  #limits: FrontLimits;
  #total: InFlight;
  #bytes = 0;
  #meter: PacketMeter;
  #state: 'connecting' | 'waiting' | 'accepted' = 'connecting';
  #onFault: (fault: PacketFault) => void;

  constructor(socket: TLSSocket, limits: FrontLimits, total: InFlight, onFault: (fault: PacketFault) => void) {
    this.#socket = socket;
    this.#limits = limits;
    this.#total = total;
    this.#onFault = onFault;
    this.#meter = new PacketMeter(limits.firstPacketBytesMax);
    const read = socket.read.bind(socket);
    socket.read = (size?: number) => this.#read(() => read(size) as Buffer | null);
  }

  /** The device has been let in: its packets may be larger now. */
  accepted(): void {
    this.#meter.bytesMax = this.#limits.packetBytesMax;
    this.#state = 'accepted';
    queueMicrotask(() => this.#socket.emit('readable'));
  }

  begin(bytes: number): void {
    this.#bytes += bytes;
    this.#total.bytes += bytes;
  }

  end(bytes: number): void {
    this.#bytes -= bytes;
    this.#total.bytes -= bytes;
    if (this.#total.held.size === 0 || this.#total.bytes > this.#limits.inFlightBytesMax / 2) return;
    const held = [...this.#total.held];
    this.#total.held.clear();
    // The broker reads when its socket says so; it has been told nothing of what was held back.
    for (const connection of held) connection.#socket.emit('readable');
  }

  closed(): void {
    this.#total.held.delete(this);
  }

  #read(read: () => Buffer | null): Buffer | null {
    if (this.#state === 'waiting') return null;
    // The end of its own messages makes the broker read again, by itself.
    if (this.#bytes >= this.#limits.connectionInFlightBytesMax) return null;
    if (this.#total.bytes >= this.#limits.inFlightBytesMax) {
      this.#total.held.add(this);
      return null;
    }
    const chunk = read();
    if (chunk === null) return null;
    const passed = this.#state === 'accepted' ? this.#meter.accept(chunk) && chunk : this.#takeFirst(chunk);
    if (passed) return passed;
    this.#onFault(this.#meter.fault!);
    this.#socket.destroy();
    return null;
  }

  #takeFirst(chunk: Buffer): Buffer | undefined {
    const end = this.#meter.packetEnd(chunk);
    if (end === undefined) return undefined;
    if (this.#meter.isBetween) this.#state = 'waiting';
    if (end < chunk.length) this.#socket.unshift(chunk.subarray(end));
    return chunk.subarray(0, end);
  }
}
