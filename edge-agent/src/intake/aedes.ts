/**
 * The local broker as MQTT over TCP: aedes, whose limits and hooks are set here.
 *
 * aedes acknowledges a publish as soon as `authorizePublish` calls back, before its own pipeline runs: durability
 * has to happen there. What the pipeline does afterwards, delivery to local subscribers, promises nothing.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { topicMatches } from '@weir/protocols';
import { UsageError } from '@weir/runtime';
import { Aedes, type Client, type PublishPacket } from 'aedes';
import type { Done } from './arrivals.ts';
import type { Broker, BrokerConfig, BrokerPorts, LocalPublish } from './broker.ts';
import { connectionOf, type SensorConnection } from './connection.ts';
import { type RouteOfReadings, SensorMessages } from './sensor-messages.ts';

type SensorClient = Client & Partial<Pick<SensorConnection, 'welcome'>>;

/** What is used of aedes-persistence. */
interface Persistence {
  /** Rejects when the packet is not known. */
  incomingGetPacket(client: Client, packet: PublishPacket): Promise<unknown>;
}

/** A wrong password is answered late: guessing takes for ever. */
const REFUSAL_DELAY_MS = 500;

export class LocalBroker implements Broker {
  #ports: BrokerPorts;
  #config: BrokerConfig;
  #messages: SensorMessages;
  #aedes: Aedes;
  #server: Server;
  #connections = new Map<Socket, SensorConnection>();
  #held = false;
  /** Publishes whose payload was refused, or that came twice; they are acknowledged, and go nowhere. */
  #refused = new WeakSet<object>();
  /** Who waits for a QoS 2 message that is on its way to the disk, by its number: aedes knows of it when it is there. */
  #arriving = new WeakMap<Client, Map<number, Done[]>>();
  #retained = new Set<string>();
  #subscribed = new Subscribed(() => this.#filters());

  constructor(ports: BrokerPorts, config: BrokerConfig) {
    this.#ports = ports;
    this.#config = config;
    this.#messages = new SensorMessages(ports, config);
    this.#aedes = this.#createAedes();
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = config.mqtt.connectionsMax;
    this.#server.on('drop', () => this.#ports.arrivals.refuseConnection('connection-limit'));
  }

  async start(): Promise<number> {
    await this.#aedes.listen();
    const { host, port } = this.#config.mqtt;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
      this.#server.listen({ host, port }, () => resolve((this.#server.address() as { port: number }).port));
    });
  }

  quiesce(): void {
    this.#server.close();
    this.hold(true);
  }

  async stop(): Promise<void> {
    this.#server.close();
    await new Promise<void>((resolve) => this.#aedes.close(resolve));
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  hold(held: boolean): void {
    this.#held = held;
    for (const connection of this.#connections.values()) {
      if (held) connection.pause();
      else connection.resume();
    }
  }

  publish({ topic, payload, qos, retain }: LocalPublish): Promise<void> {
    return new Promise((resolve, reject) => {
      const packet = { cmd: 'publish' as const, topic, payload, qos, retain, dup: false };
      this.#aedes.publish(packet, (error) => (error ? reject(error) : resolve()));
    });
  }

  get connections(): number {
    return this.#connections.size;
  }

  #createAedes(): Aedes {
    const { mqtt } = this.#config;
    const aedes = new Aedes({
      connectTimeout: mqtt.connectTimeout,
      drainTimeout: mqtt.drainTimeout,
      preConnect: (_client, packet, callback) => {
        // aedes takes an empty client id without a clean session, which the standard refuses. [MQTT-3.1.3-8]
        if (!packet.clientId && !packet.clean) return callback(new Error('a client id is needed'), false);
        // Sessions of absent clients would queue in memory without bound; "session present" tells the client so.
        packet.clean = true;
        callback(null, true);
      },
      authenticate: (client, user, password, callback) => this.#authenticate(client, user, password, callback),
      authorizePublish: (client, packet, callback) => this.#publish(client, packet, callback),
      authorizeSubscribe: (_client, subscription, callback) => {
        this.#subscribed.changed();
        callback(null, subscription);
      },
    });
    for (const event of ['subscribe', 'unsubscribe', 'clientDisconnect'] as const) {
      aedes.on(event as 'subscribe', () => this.#subscribed.changed());
    }
    // Errors of sockets and of what clients send: aedes has closed the connection by then.
    aedes.on('clientReady', (client: SensorClient) => client.welcome?.());
    aedes.on('clientError', () => {});
    aedes.on('connectionError', () => {});
    this.#narrowDelivery(aedes);
    return aedes;
  }

  /** Readings go to local subscribers only if there are any; what was refused goes to nobody. */
  #narrowDelivery(aedes: Aedes): void {
    const deliver = aedes.publish.bind(aedes) as (packet: object, client: unknown, done: unknown) => void;
    aedes.publish = ((packet: PublishPacket, client: Client | (() => void), done: () => void) => {
      if (typeof client === 'function') return deliver(packet, client, done);
      if (this.#refused.has(packet)) return done();
      if (!packet.retain && !this.#subscribed.matches(packet.topic)) return done();
      this.#boundRetained(packet);
      deliver(packet, client, done);
    }) as Aedes['publish'];
    // aedes drops what overtakes: after a retained message, which is stored first, the message itself. Without an
    // origin nothing is dropped; overlapping subscriptions get copies, which MQTT allows. [MQTT-3.3.5-1]
    const mq = (aedes as unknown as { mq: { emit: (packet: { brokerId?: string }, done: unknown) => void } }).mq;
    const emit = mq.emit.bind(mq);
    mq.emit = (packet, done) => {
      packet.brokerId = '';
      emit(packet, done);
    };
  }

  #boundRetained(packet: PublishPacket): void {
    if (!packet.retain) return;
    if (packet.payload.length === 0) this.#retained.delete(packet.topic);
    else if (this.#retained.has(packet.topic) || this.#retained.size < this.#config.mqtt.retainedMax) {
      this.#retained.add(packet.topic);
    } else packet.retain = false;
  }

  #accept(socket: Socket): void {
    socket.setNoDelay(true);
    const connection = connectionOf(socket, this.#config.mqtt, () =>
      this.#ports.arrivals.refuseConnection('packet-too-large'),
    );
    this.#connections.set(socket, connection);
    socket.on('close', () => this.#connections.delete(socket));
    const client = this.#aedes.handle(connection.stream) as SensorClient;
    client.welcome = connection.welcome;
    if (this.#held) connection.pause();
  }

  #authenticate(
    _client: Client,
    user: string | undefined,
    password: Buffer | undefined,
    callback: (error: null, success: boolean) => void,
  ): void {
    if (this.#ports.users.verify(user, password)) callback(null, true);
    else {
      this.#ports.arrivals.refuseConnection('login-failed');
      this.#ports.clock.after(REFUSAL_DELAY_MS, () => callback(null, false));
    }
  }

  #publish(client: Client | null, packet: PublishPacket, done: Done): void {
    const message = packet as PublishPacket & { payload: Buffer };
    const route = this.#messages.route(message);
    if (route === undefined) done(null);
    else if (packet.qos !== 2 || client === null) this.#take(route, message, done);
    else this.#takeOnce(client, route, message, done);
  }

  /** The second arrival of a QoS 2 message is known by its number until it is released. [MQTT-4.3.3-2] */
  #takeOnce(client: Client, route: RouteOfReadings, packet: PublishPacket & { payload: Buffer }, done: Done): void {
    const arriving = this.#arriving.get(client) ?? new Map<number, Done[]>();
    this.#arriving.set(client, arriving);
    const id = packet.messageId!;
    const first = arriving.get(id);
    if (first !== undefined) {
      first.push(done);
      this.#refused.add(packet);
      return;
    }
    const waiting = [done];
    arriving.set(id, waiting);
    const settle: Done = (error) => {
      arriving.delete(id);
      // aedes would keep the number for whoever has this client id now, and take another message for this one.
      const gone = client.closed ? new Error('the sensor has gone') : null;
      for (const each of waiting) each(error ?? gone);
    };
    const { persistence } = this.#aedes as unknown as { persistence: Persistence };
    persistence.incomingGetPacket(client, packet).then(
      () => settle(null),
      () => this.#take(route, packet, settle),
    );
  }

  #take(route: RouteOfReadings, packet: PublishPacket & { payload: Buffer }, done: Done): void {
    const isAcknowledged = packet.qos > 0;
    if (!this.#messages.take(route, packet, isAcknowledged ? done : undefined)) this.#refused.add(packet);
    if (!isAcknowledged) done(null);
  }

  *#filters(): Generator<string> {
    const { clients } = this.#aedes as unknown as { clients: Record<string, { subscriptions: object }> };
    for (const { subscriptions } of Object.values(clients)) yield* Object.keys(subscriptions);
  }
}

/** Whether anyone listens on a topic; looked up for each reading, so kept by topic until a subscription changes. */
class Subscribed {
  #filters: () => Iterable<string>;
  #known: string[] | undefined;
  #byTopic = new Map<string, boolean>();

  constructor(filters: () => Iterable<string>) {
    this.#filters = filters;
  }

  changed(): void {
    this.#known = undefined;
    this.#byTopic.clear();
  }

  matches(topic: string): boolean {
    this.#known ??= [...new Set(this.#filters())];
    if (this.#known.length === 0) return false;
    const known = this.#byTopic.get(topic);
    if (known !== undefined) return known;
    const found = this.#known.some((filter) => topicMatches(filter, topic));
    if (this.#byTopic.size >= 10_000) this.#byTopic.clear();
    this.#byTopic.set(topic, found);
    return found;
  }
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === 'EADDRINUSE') {
    return new UsageError(
      'port-taken',
      `port ${port} on ${host} is taken, so sensors cannot connect`,
      'stop what listens there, or choose another by --mqtt-port or mqtt.port',
    );
  }
  if (error.code === 'EACCES' || error.code === 'EADDRNOTAVAIL') {
    return new UsageError(
      'address-unusable',
      `cannot listen on ${host}:${port}: ${error.message}`,
      'correct mqtt.host and mqtt.port',
    );
  }
  return error;
}
