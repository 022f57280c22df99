import type { TLSSocket } from 'node:tls';
import { type PacketFault, PacketMeter } from '@weir/protocols';
import { generate, type IPublishPacket } from 'mqtt-packet';
import type { Clock } from '../clock/clock.ts';
import { AWS_LIMITS, type StrictConnection } from './aws-strict.ts';
import type { DoorLimits } from './doorway.ts';
import type { DisconnectReason } from './front.ts';
import { asksForMqtt5, Mqtt5 } from './mqtt5.ts';
import type { Asked, Outgoing, SessionConnection } from './roster.ts';
import { Throttle, type ThrottleLimits } from './throttle.ts';

export interface FrontLimits extends DoorLimits, ThrottleLimits {
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
  /** What one device has not taken yet of what was sent to it; over it the device is cut off. */
  outboundBytesMax: number;
  /** The same for all together; over it those are cut off that have not taken what they had. */
  outboundTotalBytesMax: number;
  /** Devices that were connected when the hub ended have so long to come back before they count as gone. */
  returnMs: number;
}

export const FRONT_LIMITS: FrontLimits = {
  connectionsMax: 10_000,
  addressConnectionsMax: 5_000,
  pendingMax: 2_000,
  addressPendingMax: 600,
  addressConnectsBurst: 1_000,
  addressConnectsPerS: 50,
  deviceConnectsBurst: 20,
  deviceConnectsPerS: 1,
  packetsPerS: 2_000,
  bytesPerS: 16_777_216,
  connectTimeoutMs: 10_000,
  firstPacketBytesMax: 4_096,
  packetBytesMax: 262_144,
  connectionInFlightBytesMax: 1_048_576,
  inFlightBytesMax: 67_108_864,
  outboundBytesMax: 1_048_576,
  outboundTotalBytesMax: 67_108_864,
  returnMs: 120_000,
};

/** First byte of the packet. @see MQTT 3.1.1 section 3.1.1 */
const CONNECT = 0x10;

/** What is in memory, over all connections. */
export interface Shared {
  /** That wait to become durable. */
  inFlightBytes: number;
  /** Connections that would read on if it were less. */
  held: Set<Connection>;
  /** That devices have not taken yet. */
  outboundBytes: number;
  clock: Clock;
  /** A connection brings packets faster than it may, and is not read for a while. */
  onThrottled(): void;
}

export type ConnectionFault = PacketFault | 'slow_consumer';

/**
 * Stands between a socket and the broker: the broker reads it by `read()`, and gets what the limits allow. Until the
 * device is let in that is one packet, its CONNECT. What follows in the same segment [MQTT-3.1.4-5] goes back into
 * the socket, which is not read meanwhile.
 *
 * What is sent to the device goes into the socket at once. One that does not take it delays nobody but itself.
 */
export class Connection implements SessionConnection {
  asked: Asked;
  /** Why it ends, once that is known. */
  reason: DisconnectReason | undefined;
  /** When something came from it last, a ping, say. */
  heardAt: number;
  #socket: TLSSocket;
  #limits: FrontLimits;
  #shared: Shared;
  #bytes = 0;
  /** As of the last time that it was looked at. */
  #outboundBytes = 0;
  #meter: PacketMeter;
  #throttle: Throttle;
  /** It is read again when its time has come. */
  #isResting = false;
  #state: 'connecting' | 'waiting' | 'accepted' | 'closed' = 'connecting';
  #onFault: (fault: ConnectionFault) => void;
  /** The socket has taken something. */
  #onTaken: (() => void) | undefined;
  /** The first packet, as far as it has come. */
  #first: Buffer[] = [];
  /** The client speaks it. */
  #mqtt5: Mqtt5 | undefined;
  /** Past what speaks 3.1.1. */
  readonly #write: TLSSocket['write'];
  #packetId = 0;
  /** By packet id. */
  #unconfirmed: Map<number, () => void> | undefined;
  /** Of AWS. */
  readonly strict: StrictConnection | undefined;
  /** It ended because of them. */
  onStrict: (why: string) => void = () => {};

  constructor(
    socket: TLSSocket,
    limits: FrontLimits,
    shared: Shared,
    onFault: (fault: ConnectionFault) => void,
    strict?: StrictConnection,
  ) {
    this.strict = strict;
    this.#socket = socket;
    this.#limits = limits;
    this.#shared = shared;
    this.#onFault = onFault;
    this.heardAt = shared.clock.now();
    this.#meter = new PacketMeter(limits.firstPacketBytesMax);
    this.#throttle = new Throttle(limits);
    const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket;
    this.asked = {
      cleanSession: true,
      keepAliveS: 0,
      source: { address: remoteAddress, port: remotePort },
      target: { address: localAddress, port: localPort },
    };
    this.#write = socket.write.bind(socket);
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
    this.#shared.inFlightBytes += bytes;
  }

  end(bytes: number): void {
    this.#bytes -= bytes;
    this.#shared.inFlightBytes -= bytes;
    if (this.#shared.held.size === 0 || this.#shared.inFlightBytes > this.#limits.inFlightBytesMax / 2) return;
    const held = [...this.#shared.held];
    this.#shared.held.clear();
    // The broker reads when its socket says so; it has been told nothing of what was held back.
    for (const connection of held) connection.#socket.emit('readable');
  }

  closed(): void {
    this.#shared.held.delete(this);
    this.#state = 'closed';
    this.#noteOutbound();
  }

  destroy(reason?: DisconnectReason): void {
    if (reason !== undefined) this.reason ??= reason;
    this.#socket.destroy();
  }

  deliver({ topic, payload, qos, retain = false, properties = {} }: Outgoing, onAcknowledged?: () => void): () => void {
    const forget = () => {};
    if (this.#state !== 'accepted' || !this.#socket.writable || this.strict?.maySend(qos) === false) return forget;
    const id = qos === 0 ? undefined : this.#nextPacketId();
    if (id !== undefined) this.strict?.sent(id);
    const message: IPublishPacket = {
      ...{ cmd: 'publish', topic, payload: Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength) },
      ...{ qos, retain, dup: false, ...(id !== undefined && { messageId: id }) },
    };
    const packet = this.#mqtt5 ? this.#mqtt5.deliver({ ...message, properties }) : generate(message);
    if (packet === undefined) {
      if (id !== undefined) this.strict?.acknowledged(id);
      return forget;
    }
    if (!this.#hasRoom(packet.length)) {
      this.reason = 'THROTTLED';
      this.#onFault('slow_consumer');
      this.destroy();
      return forget;
    }
    this.#send(packet);
    if (id === undefined || onAcknowledged === undefined) return forget;
    this.#unconfirmed ??= new Map();
    this.#unconfirmed.set(id, onAcknowledged);
    return () => this.#unconfirmed?.delete(id);
  }

  /** The device has acknowledged what has this packet id. */
  acknowledged(packetId: number): void {
    this.strict?.acknowledged(packetId);
    const tell = this.#unconfirmed?.get(packetId);
    this.#unconfirmed?.delete(packetId);
    tell?.();
  }

  #send(packet: Buffer): void {
    if (packet.length === 0) return;
    this.#onTaken ??= () => this.#noteOutbound();
    this.#write(packet, this.#onTaken);
    this.#noteOutbound();
  }

  /** [MQTT-2.3.1-1] */
  #nextPacketId(): number {
    do this.#packetId = (this.#packetId % 65_535) + 1;
    while (this.#unconfirmed?.has(this.#packetId));
    return this.#packetId;
  }

  /** Whoever has taken all that came before has room for one message, whatever its size. */
  #hasRoom(bytes: number): boolean {
    const waiting = this.#waitingBytes;
    const { outboundBytesMax, outboundTotalBytesMax } = this.#limits;
    this.#noteOutbound();
    if (waiting === 0) return true;
    return waiting + bytes <= outboundBytesMax && this.#shared.outboundBytes + bytes <= outboundTotalBytesMax;
  }

  /** In its socket, or because it has not acknowledged what came before. */
  get #waitingBytes(): number {
    return this.#socket.writableLength + (this.#mqtt5?.heldBytes ?? 0);
  }

  #noteOutbound(): void {
    const bytes = this.#state === 'closed' ? 0 : this.#waitingBytes;
    this.#shared.outboundBytes += bytes - this.#outboundBytes;
    this.#outboundBytes = bytes;
  }

  #read(read: () => Buffer | null): Buffer | null {
    if (this.#state === 'waiting') return null;
    // The end of its own messages makes the broker read again, by itself.
    if (this.#bytes >= this.#limits.connectionInFlightBytesMax) return null;
    if (this.#shared.inFlightBytes >= this.#limits.inFlightBytesMax) {
      this.#shared.held.add(this);
      return null;
    }
    if (this.strict?.holds(() => this.#socket.emit('readable'))) return null;
    if (this.#isResting || this.#mustRest()) return null;
    const chunk = read();
    if (chunk === null) return null;
    const before = this.#meter.packets;
    this.heardAt = this.#shared.clock.now();
    const passed = this.#state === 'accepted' ? this.#meter.accept(chunk) && chunk : this.#takeFirst(chunk);
    if (passed) {
      this.#throttle.spend(this.#meter.packets - before, passed.length, this.#shared.clock.now());
      const packets = this.#understood(passed);
      return packets && this.#strictly(packets);
    }
    this.reason = 'CLIENT_ERROR';
    this.#onFault(this.#meter.fault!);
    this.#socket.destroy();
    return null;
  }

  /** In the version that the broker speaks; null: there is nothing for it. */
  #understood(chunk: Buffer): Buffer | null {
    const bytes = this.#state === 'accepted' || this.#mqtt5 ? chunk : this.#wholeFirst(chunk);
    if (bytes === null || this.#mqtt5 === undefined) return bytes;
    const packets = this.#mqtt5.read(bytes);
    this.#send(this.#mqtt5.released());
    if (this.#mqtt5.fault !== undefined) {
      this.destroy('CLIENT_ERROR');
      return null;
    }
    return packets.length === 0 ? null : packets;
  }

  /** What the client speaks is known when its CONNECT is there. */
  #wholeFirst(chunk: Buffer): Buffer | null {
    this.#first.push(chunk);
    const first = Buffer.concat(this.#first);
    // Nothing else may come first: the broker says so.
    if (this.#state === 'connecting' && first[0] === CONNECT) return null;
    this.#first = [];
    if (asksForMqtt5(first)) this.#speakMqtt5();
    return first;
  }

  #speakMqtt5(): void {
    const { packetBytesMax } = this.#limits;
    const unackedMax = this.strict && AWS_LIMITS.unackedMax;
    const mqtt5 = new Mqtt5({ packetBytesMax, unackedMax, keepAliveS: () => this.asked.keepAliveS });
    this.#mqtt5 = mqtt5;
    const socket = this.#socket;
    socket.write = ((chunk: Buffer | string, ...rest: unknown[]) => {
      const done = rest.find((each) => typeof each === 'function') as (() => void) | undefined;
      const bytes = mqtt5.write(Buffer.from(chunk as Buffer));
      if (bytes.length > 0) return this.#write(bytes, done);
      if (done !== undefined) queueMicrotask(done);
      return !socket.writableNeedDrain;
    }) as TLSSocket['write'];
    const destroy = socket.destroy.bind(socket);
    socket.destroy = (error?: Error & { reason?: DisconnectReason }) => {
      const last = mqtt5.farewell(this.reason ?? error?.reason);
      // It goes into the socket at once, or is not told.
      if (last.length > 0 && socket.writable) this.#write(last);
      return destroy(error);
    };
  }

  #strictly(passed: Buffer): Buffer | null {
    const fault = this.strict?.read(passed);
    if (fault === undefined) return passed;
    this.reason = 'CLIENT_ERROR';
    this.onStrict(fault);
    this.#socket.destroy();
    return null;
  }

  #mustRest(): boolean {
    const { clock, onThrottled } = this.#shared;
    const waitMs = this.#throttle.waitMs(clock.now());
    if (waitMs === 0) return false;
    this.#isResting = true;
    onThrottled();
    void clock.sleep(Math.ceil(waitMs)).then(() => {
      this.#isResting = false;
      if (this.#state !== 'closed') this.#socket.emit('readable');
    });
    return true;
  }

  #takeFirst(chunk: Buffer): Buffer | undefined {
    const end = this.#meter.packetEnd(chunk);
    if (end === undefined) return undefined;
    if (this.#meter.isBetween) this.#state = 'waiting';
    if (end < chunk.length) this.#socket.unshift(chunk.subarray(end));
    return chunk.subarray(0, end);
  }
}
