/** The agent's link over the simulated network. */
import type { LinkEvents, OpenLink } from '@weir/edge-agent';
import type { Life } from './life.ts';
import type { End, Network, Packet } from './network.ts';

export interface LinkOptions {
  device: string;
  serial: string;
  /** ms */
  keepalive: number;
  connectTimeout: number;
  onPublish(topic: string, payload: Uint8Array): void;
}

export function simulatedLink(life: Life, network: Network, options: LinkOptions): OpenLink {
  return (subscriptions, events) => {
    const link = new SimulatedLink(life, network, options, subscriptions, events);
    return {
      publish: (topic, payload) => link.publish(topic, payload),
      wireBytes: () => link.bytes,
      close: () => link.close(),
    };
  };
}

interface Sent {
  resolve: () => void;
  reject: (error: Error) => void;
}

/** As TLS and TCP/IP would add. */
const HANDSHAKE_BYTES = 300;
const PACKET_BYTES = 100;

class SimulatedLink {
  readonly #life: Life;
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  readonly #subscriptions: readonly string[];
  readonly #end: End | undefined;
  readonly #sent = new Map<number, Sent>();
  #nextId = 1;
  #isOver = false;
  #cancelTimeout: () => void;
  #heard = true;
  /** On the wire, in both directions. */
  bytes = HANDSHAKE_BYTES;

  constructor(
    life: Life,
    network: Network,
    options: LinkOptions,
    subscriptions: readonly string[],
    events: LinkEvents,
  ) {
    this.#life = life;
    this.#options = options;
    this.#events = events;
    this.#subscriptions = subscriptions;
    this.#cancelTimeout = life.later(options.connectTimeout, () => this.#finish('no answer in time'));
    if (!life.act()) return;
    this.#end = network.connect(options.device, {
      onPacket: (packet) => life.isAlive && !this.#isOver && this.#receive(packet),
      onClosed: (reason) => life.isAlive && this.#finish(reason),
    });
    const { device, serial, keepalive } = options;
    this.#end.send({ type: 'connect', device, serial, keepaliveMs: keepalive });
  }

  publish(topic: string, payload: Uint8Array): Promise<void> {
    if (this.#isOver) return Promise.reject(new Error('the connection has ended'));
    return this.#life.waitFor((resolve, reject) => {
      const id = this.#nextId++;
      this.#sent.set(id, { resolve: resolve as () => void, reject });
      this.#options.onPublish(topic, payload);
      this.bytes += PACKET_BYTES + payload.length;
      this.#end!.send({ type: 'publish', id, topic, payload: Uint8Array.from(payload) });
    });
  }

  close(): void {
    if (this.#isOver || !this.#life.act()) return;
    this.#isOver = true;
    this.#cancelTimeout();
    this.#end!.close();
    this.#rejectSent();
  }

  #receive(packet: Packet): void {
    this.#heard = true;
    this.bytes += PACKET_BYTES;
    switch (packet.type) {
      case 'accepted':
        if (this.#subscriptions.length === 0) this.#open();
        else this.#end!.send({ type: 'subscribe', filters: this.#subscriptions });
        return;
      case 'subscribed':
        this.#open();
        return;
      case 'acknowledged':
        this.#sent.get(packet.id)?.resolve();
        this.#sent.delete(packet.id);
        return;
      case 'message':
        this.#events.onMessage(packet.topic, packet.payload);
        return;
      default:
    }
  }

  #open(): void {
    this.#cancelTimeout();
    this.#watch();
    this.#events.onOpen();
  }

  /** @see MQTT 3.1.1 section 3.1.2.10; as mqtt.js does it */
  #watch(): void {
    this.#heard = false;
    this.#end!.send({ type: 'ping' });
    this.#cancelTimeout = this.#life.later(this.#options.keepalive, () => {
      if (this.#isOver) return;
      if (this.#heard) this.#watch();
      else this.#finish('the hub has fallen silent');
    });
  }

  #finish(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimeout();
    this.#end?.close();
    this.#rejectSent();
    this.#events.onClosed(reason);
  }

  #rejectSent(): void {
    for (const { reject } of this.#sent.values()) reject(new Error('the connection has ended'));
    this.#sent.clear();
  }
}
