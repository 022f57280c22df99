/**
 * The connections that there are, what they subscribed to, and those that ended of late.
 *
 *     enter -> subscribed, unsubscribed, deliver ... -> end (by the hub) -> leave
 *
 * What ends by the hub's will hears nothing more from that moment, whenever its socket is closed.
 */
import type { Clock } from '../clock/clock.ts';
import type {
  ConnectionInfo,
  Connections,
  DirectOptions,
  DirectOutcome,
  DisconnectReason,
  MessageProperties,
  QoS,
  SocketAddress,
  Subscription,
} from './front.ts';
import {
  connectedEvent,
  disconnectedEvent,
  type LifecycleEvent,
  type LifecycleSession,
  subscriptionEvent,
} from './lifecycle.ts';
import { type Subscriber, Subscriptions } from './subscriptions.ts';
import { type Flapping, Takeovers } from './takeovers.ts';

export interface Outgoing {
  topic: string;
  payload: Uint8Array;
  qos: QoS;
  /** It was retained: sent because of the subscription. */
  retain?: boolean;
  properties?: MessageProperties | undefined;
}

/** What a client asked for in its CONNECT, and between which sockets. */
export interface Asked {
  cleanSession: boolean;
  /** In force. */
  keepAliveS: number;
  source: SocketAddress;
  target: SocketAddress;
}

/** What is asked of a connection. */
export interface SessionConnection {
  readonly asked: Asked;
  /** When something came from it last, ms since epoch. */
  readonly heardAt: number;
  /** Ends it at once; whoever carries it calls `ended` then, or has already. `reason`: told to a client that is told. */
  destroy(reason?: DisconnectReason): void;
  /** Hands a message over, or ends when there is no room for it; it never blocks. @returns forgets the acknowledgement */
  deliver(message: Outgoing, onAcknowledged?: () => void): () => void;
}

/** A device that was let in. */
export interface Arrival<C> {
  device: string;
  connection: C;
  /** Of its certificate. */
  serial: string;
  /** SHA-256 of its certificate, hexadecimal. */
  principal: string;
}

interface Live<C> extends Subscriber {
  arrival: Arrival<C>;
  since: number;
  session: LifecycleSession;
  /** Why the hub ends it. */
  reason?: DisconnectReason;
  /** Called when the connection ends. */
  waiting: Set<() => void>;
}

interface Ended {
  info: ConnectionInfo & { disconnectedSince: number };
  versionNumber: number;
}

export interface RosterPorts {
  clock: Clock;
  random: (bytes: number) => Uint8Array;
  onLifecycle(event: LifecycleEvent): void;
  onFlapping(device: string, flapping: Flapping): void;
}

/** @see AWS IoT Data Plane, GetConnection */
const ENDED_SHOWN_MS = 30 * 60_000;
/** Then version numbers begin anew. @see AWS IoT Core, lifecycle events */
const VERSION_KEPT_MS = 60 * 60_000;
/** Remembered at most: about 1 KiB each. */
const ENDED_MAX = 20_000;
/** @see AWS IoT Data Plane, SendDirectMessage */
const CONFIRM_TIMEOUT_MS = 5_000;
/** Messages to one device that wait for their PUBACK; AWS has as many on their way. */
const UNCONFIRMED_MAX = 100;

export class Roster<C extends SessionConnection> implements Connections {
  readonly #ports: RosterPorts;
  /** By device. */
  readonly #live = new Map<string, Live<C>>();
  /** By device; in the order in which they ended. */
  readonly #ended = new Map<string, Ended>();
  readonly #subscriptions = new Subscriptions<Live<C>>();
  readonly #takeovers = new Takeovers();

  constructor(ports: RosterPorts) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#live.size;
  }

  arrivalOf(device: string): Arrival<C> | undefined {
    return this.#live.get(device)?.arrival;
  }

  /** True while the connection is that of the device, and the hub has not ended it. */
  isIn(device: string, connection: C): boolean {
    const live = this.#live.get(device);
    return live !== undefined && live.arrival.connection === connection && live.reason === undefined;
  }

  enter(arrival: Arrival<C>): void {
    const { device, principal, connection } = arrival;
    const before = this.#live.get(device);
    if (before !== undefined) this.leave(device, before.arrival.connection, 'DUPLICATE_CLIENTID');
    const now = this.#ports.clock.now();
    const session: LifecycleSession = {
      clientId: device,
      sessionIdentifier: uuid(this.#ports.random(16)),
      principalIdentifier: principal,
      ipAddress: connection.asked.source.address,
      versionNumber: this.#nextVersion(device, now),
    };
    this.#live.set(device, { arrival, since: now, session, filters: new Map(), waiting: new Set() });
    this.#ended.delete(device);
    this.#ports.onLifecycle(connectedEvent(session, now));
  }

  /** @returns whether it was the device's connection */
  leave(device: string, connection: C, hint: DisconnectReason): boolean {
    const live = this.#live.get(device);
    if (live?.arrival.connection !== connection) return false;
    this.#live.delete(device);
    this.#subscriptions.removeAll(live);
    for (const gone of live.waiting) gone();
    const now = this.#ports.clock.now();
    const reason = live.reason ?? hint;
    this.#remember(device, {
      info: { ...this.#infoOf(live, now), connected: false, disconnectedSince: now, disconnectReason: reason },
      versionNumber: live.session.versionNumber,
    });
    this.#ports.onLifecycle(disconnectedEvent(live.session, reason, now));
    return true;
  }

  /** @returns whether there was a connection to end */
  end(device: string, reason: DisconnectReason): boolean {
    const live = this.#live.get(device);
    if (live === undefined || live.reason !== undefined) return false;
    live.reason = reason;
    this.#subscriptions.removeAll(live);
    live.arrival.connection.destroy(reason);
    return true;
  }

  /** The device comes again from elsewhere: the connection that it has ends. */
  takeOver(device: string, by: C): void {
    const before = this.#live.get(device);
    if (before === undefined) return;
    const addresses = [before.arrival.connection, by].map(({ asked }) => asked.source.address) as [string, string];
    const flapping = this.#takeovers.note(device, addresses, this.#ports.clock.now());
    this.end(device, 'DUPLICATE_CLIENTID');
    if (flapping !== undefined) this.#ports.onFlapping(device, flapping);
  }

  subscribed(device: string, connection: C, subscriptions: readonly Subscription[]): void {
    const live = this.#live.get(device);
    if (live === undefined || !this.isIn(device, connection) || subscriptions.length === 0) return;
    for (const { topicFilter, qos } of subscriptions) this.#subscriptions.add(live, topicFilter, qos);
    const topics = subscriptions.map(({ topicFilter }) => topicFilter);
    this.#ports.onLifecycle(subscriptionEvent(live.session, 'subscribed', topics, this.#ports.clock.now()));
  }

  unsubscribed(device: string, connection: C, filters: readonly string[]): void {
    const live = this.#live.get(device);
    if (live === undefined || !this.isIn(device, connection)) return;
    const topics = filters.filter((filter) => live.filters.has(filter));
    if (topics.length === 0) return;
    for (const filter of topics) this.#subscriptions.remove(live, filter);
    this.#ports.onLifecycle(subscriptionEvent(live.session, 'unsubscribed', topics, this.#ports.clock.now()));
  }

  /** How many filters the device has besides this one. */
  filtersBeside(device: string, filter: string): number {
    const filters = this.#live.get(device)?.filters;
    return filters === undefined ? 0 : filters.size - (filters.has(filter) ? 1 : 0);
  }

  publish(topic: string, payload: Uint8Array, qos: QoS, properties?: MessageProperties): void {
    for (const [{ arrival }, granted] of this.#subscriptions.of(topic)) {
      arrival.connection.deliver({ topic, payload, qos: qos < granted ? qos : granted, properties });
    }
  }

  list(): ConnectionInfo[] {
    const now = this.#ports.clock.now();
    return [...this.#live.keys()].sort().map((device) => this.#infoOf(this.#live.get(device)!, now));
  }

  get(clientId: string): ConnectionInfo | undefined {
    const now = this.#ports.clock.now();
    const live = this.#live.get(clientId);
    if (live !== undefined) return this.#infoOf(live, now);
    const ended = this.#ended.get(clientId)?.info;
    if (ended === undefined || now - ended.disconnectedSince >= ENDED_SHOWN_MS) return undefined;
    const { flapping: _then, ...info } = ended;
    return { ...info, ...this.#flapping(clientId, now) };
  }

  subscriptions(clientId: string): Subscription[] | undefined {
    const filters = this.#live.get(clientId)?.filters;
    if (filters === undefined) return undefined;
    return [...filters.keys()].sort().map((topicFilter) => ({ topicFilter, qos: filters.get(topicFilter)! }));
  }

  disconnect(clientId: string): boolean {
    return this.end(clientId, 'API_INITIATED_DISCONNECT');
  }

  async sendDirect(
    clientId: string,
    topic: string,
    payload: Uint8Array,
    { confirm = false, timeoutMs = CONFIRM_TIMEOUT_MS, properties }: DirectOptions = {},
  ): Promise<DirectOutcome> {
    const live = this.#live.get(clientId);
    if (live === undefined || live.reason !== undefined) return 'gone';
    if (confirm) return this.#confirmed(live, { topic, payload, qos: 1, properties }, timeoutMs);
    live.arrival.connection.deliver({ topic, payload, qos: 0, properties });
    return 'sent';
  }

  #confirmed(live: Live<C>, message: Outgoing, timeoutMs: number): Promise<DirectOutcome> {
    if (live.waiting.size >= UNCONFIRMED_MAX) return Promise.resolve('timed-out');
    return new Promise((resolve) => {
      const done = new AbortController();
      const settle = (outcome: DirectOutcome) => {
        live.waiting.delete(gone);
        done.abort();
        forget();
        resolve(outcome);
      };
      const gone = () => settle('gone');
      let forget = () => {};
      live.waiting.add(gone);
      forget = live.arrival.connection.deliver(message, () => settle('confirmed'));
      void this.#ports.clock.sleep(timeoutMs, done.signal).then(() => settle('timed-out'));
    });
  }

  #infoOf({ arrival: { device, connection }, since }: Live<C>, now: number): ConnectionInfo {
    return {
      clientId: device,
      connected: true,
      ...connection.asked,
      connectedSince: since,
      heardAt: connection.heardAt,
      ...this.#flapping(device, now),
    };
  }

  #flapping(device: string, now: number): { flapping?: Flapping } {
    const flapping = this.#takeovers.of(device, now);
    return flapping === undefined ? {} : { flapping };
  }

  #nextVersion(device: string, now: number): number {
    const last = this.#ended.get(device);
    return last === undefined || now - last.info.disconnectedSince >= VERSION_KEPT_MS ? 0 : last.versionNumber + 1;
  }

  #remember(device: string, ended: Ended): void {
    this.#ended.delete(device);
    this.#ended.set(device, ended);
    for (const [first, { info }] of this.#ended) {
      const isOld = ended.info.disconnectedSince - info.disconnectedSince >= VERSION_KEPT_MS;
      if (!isOld && this.#ended.size <= ENDED_MAX) return;
      this.#ended.delete(first);
    }
  }
}

/** @see RFC 9562 section 5.4 */
function uuid(random: Uint8Array): string {
  const bytes = Uint8Array.from(random);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return Buffer.from(bytes)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
