/**
 * The front as MQTT over TLS: aedes, whose limits and hooks are set here.
 *
 *     TLS -> packet meter -> aedes -> authorizePublish -> sessions -> PUBACK
 *
 * aedes acknowledges before it publishes, so everything that must be durable happens in `authorizePublish`.
 */
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { Aedes, type AedesOptions, type AuthenticateError, type Client, type PublishPacket } from 'aedes';
import { generate, type Packet } from 'mqtt-packet';
import { peerOf } from '../identity/peer.ts';
import { StrictConnection, StrictConnects, strictKeepAlive } from './aws-strict.ts';
import { Connection, type ConnectionFault, FRONT_LIMITS, type FrontLimits, type Shared } from './connection.ts';
import type { DoorFault } from './doorway.ts';
import type {
  Connections,
  DisconnectReason,
  Front,
  FrontCount,
  FrontOptions,
  FrontPorts,
  MessageProperties,
  QoS,
  Subscription,
} from './front.ts';
import { Listener } from './listener.ts';
import { noSessions } from './no-sessions.ts';
import { refusal, Sessions } from './sessions.ts';

const KEEPALIVE_S_MAX = 1_200;
/** @see MQTT 3.1.1 table 3.1 */
const NOT_AUTHORIZED = 5;
/** @see AWS IoT developer guide, "AWS IoT differences from MQTT specifications" */
const NOT_AUTHORIZED_BY_AWS = 7;
/** @see MQTT 3.1.1 section 3.9.3 */
const SUBSCRIPTION_REFUSED = 128;

export function createAedesFront(ports: FrontPorts, options: FrontOptions): Front {
  return new AedesFront(ports, options);
}

class AedesFront implements Front {
  #ports: FrontPorts;
  #options: FrontOptions;
  #limits: FrontLimits;
  #broker: Aedes;
  #listener: Listener | undefined;
  #connections = new Map<Duplex, Connection>();
  #sessions: Sessions<Connection>;
  readonly #strictConnects: StrictConnects | undefined;
  #shared: Shared;

  constructor(ports: FrontPorts, options: FrontOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#limits = { ...FRONT_LIMITS, ...options.limits };
    this.#strictConnects = options.isStrict ? new StrictConnects() : undefined;
    this.#broker = this.#makeBroker();
    this.#sessions = new Sessions(ports, this.#limits.returnMs);
    const { counts } = this.#sessions;
    const onThrottled = () => void counts.throttled++;
    this.#shared = { inFlightBytes: 0, held: new Set(), outboundBytes: 0, clock: ports.clock, onThrottled };
  }

  async start(): Promise<number> {
    await this.#broker.listen();
    const { identity, logger, clock } = this.#ports;
    const { counts } = this.#sessions;
    const ports = {
      ...{ identity, logger, now: () => clock.now() },
      onSocket: (socket: TLSSocket) => this.#accept(socket),
      onUnauthorized: () => void counts.unauthorized++,
      onTurnedAway: (fault: DoorFault) => void counts[fault]++,
    };
    this.#listener = new Listener(ports, this.#limits, this.#limits.connectTimeoutMs);
    const port = await this.#listener.start(this.#options);
    this.#sessions.start();
    return port;
  }

  async stop(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener === undefined) return;
    await this.#sessions.stop();
    await listener.stop();
    await new Promise<void>((resolve) => this.#broker.close(() => resolve()));
  }

  async publish(
    topic: string,
    payload: Uint8Array | string,
    qos: QoS = 1,
    properties?: MessageProperties,
  ): Promise<void> {
    this.#sessions.publish(topic, Buffer.from(payload), qos, properties);
  }

  recheck(device: string): Promise<void> {
    return this.#sessions.recheck(device);
  }

  get connections(): Connections {
    return this.#sessions.connections;
  }

  renewCertificate(): void {
    this.#listener?.renewCertificate();
  }

  connected(): number {
    return this.#sessions.connected;
  }

  counts(): Readonly<Record<FrontCount, number>> {
    return this.#sessions.counts;
  }

  #makeBroker(): Aedes {
    const broker = new Aedes({
      persistence: noSessions((client, packetId) => this.#connections.get(client.conn)?.acknowledged(packetId)),
      connectTimeout: this.#limits.connectTimeoutMs,
      // One that does not even take its acknowledgements; nobody else waits for it.
      drainTimeout: 8_000,
      preConnect: (client, packet, done) => {
        const fault = this.#strictConnects?.faultOf(packet.clientId, this.#ports.clock.now());
        if (fault !== undefined) return done(new Error(fault), false);
        grantNoQos2(client);
        if (packet.will) return done(new Error('last wills are not taken: the hub tells presence itself'), false);
        const asked = this.#connections.get(client.conn)!.asked;
        asked.cleanSession = packet.clean ?? true;
        // No session outlives its connection: a queue for an absent device would grow in memory without bound.
        packet.clean = true;
        // Without an end to its silence it would be there for ever. @see AWS IoT Core, MQTT keep alive
        const { keepalive = 0 } = packet;
        packet.keepalive = this.#options.isStrict ? strictKeepAlive(keepalive) : keepAliveOf(keepalive);
        asked.keepAliveS = packet.keepalive;
        done(null, true);
      },
      authenticate: (client, _user, _password, done) => {
        this.#authenticate(client).then(
          () => done(null, true),
          (error: AuthenticateError) => {
            if (this.#options.isStrict && error.returnCode === NOT_AUTHORIZED) refuseAsAws(client);
            done(error, false);
          },
        );
      },
      authorizePublish: (client, packet, done) => {
        this.#takePublish(client, packet).then(() => done(null), done);
      },
      authorizeSubscribe: (client, subscription, done) => {
        done(null, this.#sessions.maySubscribe(client.id, subscription.topic) ? subscription : null);
      },
    } as AedesOptions);
    routeNothing(broker);
    this.#listenTo(broker);
    return broker;
  }

  #listenTo(broker: Aedes): void {
    const { logger } = this.#ports;
    const connectionOf = ({ conn }: Client) => this.#connections.get(conn);
    // Missing from its types; without a listener the process would end.
    (broker as EventEmitter).on('error', (error: Error) => logger.error({ error: error.message }, 'the broker failed'));
    broker.on('clientReady', (client) => {
      const connection = connectionOf(client);
      if (connection === undefined) return;
      connection.accepted();
      this.#listener?.identified(client.conn as TLSSocket);
      this.#sessions.ready(client.id, connection);
    });
    broker.on('subscribe', (subscriptions, client) => {
      const connection = client && connectionOf(client);
      if (!connection) return;
      const granted = subscriptions.filter(({ qos }) => (qos as number) !== SUBSCRIPTION_REFUSED);
      const those = granted.map(({ topic, qos }): Subscription => ({ topicFilter: topic, qos: qos === 0 ? 0 : 1 }));
      this.#sessions.subscribed(client.id, connection, those);
    });
    broker.on('unsubscribe', (filters, client) => {
      // The end of a connection is told as one.
      const connection = client && !client.closed && connectionOf(client);
      if (connection) this.#sessions.unsubscribed(client.id, connection, filters);
    });
    broker.on('keepaliveTimeout', (client) => {
      const connection = connectionOf(client);
      if (connection !== undefined) connection.reason ??= 'MQTT_KEEP_ALIVE_TIMEOUT';
    });
    broker.on('clientError', (client, error) => {
      const connection = connectionOf(client);
      if (connection !== undefined) connection.reason ??= reasonOf(error);
      logger.debug({ device: client.id, error: error.message }, 'a connection ended with an error');
    });
    broker.on('connectionError', (_client, error) => {
      logger.debug({ error: error.message }, 'a connection ended before it was accepted');
    });
  }

  #accept(socket: TLSSocket): void {
    const { clock, logger } = this.#ports;
    const strict = this.#options.isStrict ? new StrictConnection(clock) : undefined;
    const cutOff = (fault: string) => logger.warn({ peer: socket.remoteAddress, fault }, 'a connection was cut off');
    const onFault = (fault: ConnectionFault) => {
      this.#sessions.counts[fault]++;
      cutOff(fault);
    };
    const connection = new Connection(socket, this.#limits, this.#shared, onFault, strict);
    connection.onStrict = (fault) => {
      this.#sessions.counts.forbidden++;
      cutOff(`aws-strict: ${fault}`);
    };
    this.#connections.set(socket, connection);
    socket.once('close', () => {
      this.#connections.delete(socket);
      connection.closed();
    });
    this.#broker.handle(socket);
  }

  async #authenticate(client: Client): Promise<void> {
    const connection = this.#connections.get(client.conn);
    if (connection === undefined) throw new Error('the connection has ended');
    const peer = peerOf(client.conn as TLSSocket);
    if (peer !== undefined && !this.#listener?.comes(peer.device)) {
      this.#sessions.counts.connects_over_rate++;
      throw refusal(3, `${peer.device} connects too often`);
    }
    await this.#sessions.admit(peer, client.id, connection);
    const ended = () => this.#sessions.ended(client.id, connection, this.#hintOf(client, connection));
    if (client.conn.destroyed) ended();
    else client.conn.once('close', ended);
  }

  #hintOf(client: Client, { reason }: Connection): DisconnectReason {
    if (this.#listener === undefined) return 'SERVER_INITIATED_DISCONNECT';
    // Missing from its types: a DISCONNECT has come.
    if ((client as { _disconnected?: boolean })._disconnected) return 'CLIENT_INITIATED_DISCONNECT';
    return reason ?? 'CONNECTION_LOST';
  }

  /** Resolves when the packet is done with; rejects when the connection must end instead. */
  async #takePublish(client: Client | null, packet: PublishPacket): Promise<void> {
    const connection = client && this.#connections.get(client.conn);
    // What stands behind a DISCONNECT, say, or behind what it was cut off for. [MQTT-3.14.4-2]
    if (!connection || client.conn.destroyed) throw new Error('the connection has ended');
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    const { strict } = connection;
    const verdict = strict?.publish(packet, payload.length) ?? 'take';
    if (verdict === 'discard') {
      // Nothing is answered then.
      packet.qos = 0;
      return;
    }
    if (verdict !== 'take') throw Object.assign(new Error(`aws-strict: ${verdict.end}`), { reason: 'CLIENT_ERROR' });
    connection.begin(payload.length);
    try {
      await this.#sessions.take(client.id, connection, packet, payload);
    } finally {
      connection.end(payload.length);
      strict?.published(packet);
    }
  }
}

function keepAliveOf(askedS: number): number {
  return askedS === 0 ? KEEPALIVE_S_MAX : Math.min(askedS, KEEPALIVE_S_MAX);
}

/** Whom AWS does not let in it tells by a code that MQTT 3.1.1 does not have, and aedes would not send. */
function refuseAsAws({ conn }: Client): void {
  conn.write(generate({ cmd: 'connack', returnCode: NOT_AUTHORIZED_BY_AWS, sessionPresent: false }));
  conn.end();
}

/** aedes grants what it was asked for, and no hook of its own comes before that. */
function grantNoQos2(client: Client): void {
  const { _parser: parser } = client as unknown as { _parser: EventEmitter };
  parser.prependListener('packet', (packet: Packet) => {
    if (packet.cmd !== 'subscribe') return;
    for (const subscription of packet.subscriptions) if (subscription.qos === 2) subscription.qos = 1;
  });
}

/**
 * Whatever a device publishes ends in `authorizePublish`, and what it hears goes by {@link Sessions}: aedes hands messages
 * to all subscribers through a hundred slots, and each that is frozen holds one.
 */
function routeNothing(broker: Aedes): void {
  const done = (...args: unknown[]) => (args.findLast((each) => typeof each === 'function') as () => void)?.();
  Object.assign(broker, { publish: done, subscribe: done, unsubscribe: done });
}

/** What ended it, as an error of {@link Sessions} says; else it was the line, or no MQTT. */
function reasonOf(error: Error): DisconnectReason {
  const { reason, code } = error as { reason?: DisconnectReason; code?: string };
  return reason ?? (code === undefined ? 'CLIENT_ERROR' : 'CONNECTION_LOST');
}
