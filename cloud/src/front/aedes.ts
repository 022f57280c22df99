/**
 * The front as MQTT over TLS: aedes, whose limits and hooks are set here.
 *
 *     TLS -> packet meter -> aedes -> authorizePublish -> sessions -> PUBACK
 *
 * aedes acknowledges before it publishes, so everything that must be durable happens in `authorizePublish`. What is
 * acknowledged later it gets as a message that wants no acknowledgement, and its PUBACK is written here.
 */
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { Aedes, type AuthenticateError, type Client, type PublishPacket } from 'aedes';
import { peerOf } from '../identity/peer.ts';
import { listen } from '../listen.ts';
import { Connection, FRONT_LIMITS, type FrontLimits, type InFlight } from './connection.ts';
import type { Front, FrontCount, FrontOptions, FrontPorts } from './front.ts';
import { Sessions } from './sessions.ts';

const KEEPALIVE_S_MAX = 1_200;

export function createAedesFront(ports: FrontPorts, options: FrontOptions): Front {
  return new AedesFront(ports, options);
}

class AedesFront implements Front {
  #ports: FrontPorts;
  #options: FrontOptions;
  #limits: FrontLimits;
  #broker: Aedes;
  #server: Server | undefined;
  #connections = new Map<Duplex, Connection>();
  #sessions: Sessions<Duplex>;
  #inFlight: InFlight = { bytes: 0, held: new Set() };

  constructor(ports: FrontPorts, options: FrontOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#limits = { ...FRONT_LIMITS, ...options.limits };
    this.#broker = this.#makeBroker();
    this.#sessions = new Sessions(ports, this.#limits.returnMs);
  }

  async start(): Promise<number> {
    await this.#broker.listen();
    const { identity } = this.#ports;
    this.#server = createServer(
      {
        ...identity.server(),
        ca: identity.ca,
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        handshakeTimeout: this.#limits.connectTimeoutMs,
      },
      (socket) => this.#accept(socket),
    );
    this.#server.maxConnections = this.#limits.connectionsMax;
    this.#server.on('drop', () => this.#sessions.counts.connections_over_limit++);
    this.#server.on('tlsClientError', (error) => {
      this.#sessions.counts.unauthorized++;
      this.#ports.logger.debug({ error: error.message }, 'a TLS handshake failed');
    });
    const port = await listen(this.#server, this.#options);
    this.#sessions.start();
    return port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    await this.#sessions.stop();
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#connections.keys()) socket.destroy();
    await closed;
    await new Promise<void>((resolve) => this.#broker.close(() => resolve()));
  }

  publish(topic: string, payload: Uint8Array | string, qos: 0 | 1 = 1): Promise<void> {
    const packet = { cmd: 'publish', topic, payload: Buffer.from(payload), qos, retain: false, dup: false } as const;
    return new Promise((resolve, reject) => {
      this.#broker.publish(packet, (error) => (error ? reject(error) : resolve()));
    });
  }

  disconnect(device: string): void {
    this.#sessions.connection(device)?.destroy();
  }

  renewCertificate(): void {
    const { identity } = this.#ports;
    this.#server?.setSecureContext({ ...identity.server(), ca: identity.ca, minVersion: 'TLSv1.2' });
  }

  connected(): number {
    return this.#sessions.connected;
  }

  counts(): Readonly<Record<FrontCount, number>> {
    return this.#sessions.counts;
  }

  #makeBroker(): Aedes {
    const broker = new Aedes({
      connectTimeout: this.#limits.connectTimeoutMs,
      // A frozen device stops delivery to all others until it is cut off; the default is a minute.
      drainTimeout: 8_000,
      preConnect: (_client, packet, done) => {
        if (packet.will) return done(new Error('last wills are not taken: the hub tells presence itself'), false);
        // No session outlives its connection: a queue for an absent device would grow in memory without bound.
        packet.clean = true;
        // Without an end to its silence it would be there for ever. @see AWS IoT Core, MQTT keep alive
        const { keepalive = 0 } = packet;
        packet.keepalive = keepalive === 0 ? KEEPALIVE_S_MAX : Math.min(keepalive, KEEPALIVE_S_MAX);
        done(null, true);
      },
      authenticate: (client, _user, _password, done) => {
        this.#authenticate(client).then(
          () => done(null, true),
          (error: AuthenticateError) => done(error, false),
        );
      },
      authorizePublish: (client, packet, done) => {
        this.#takePublish(client, packet).then(() => done(null), done);
      },
      authorizeSubscribe: (client, subscription, done) => {
        const held = Object.keys((client as { subscriptions?: object }).subscriptions ?? {}).length;
        done(null, this.#sessions.maySubscribe(client.id, subscription.topic, held) ? subscription : null);
      },
    });
    this.#consumePublishes(broker);
    // Missing from its types; without a listener the process would end.
    (broker as EventEmitter).on('error', (error: Error) =>
      this.#ports.logger.error({ error: error.message }, 'the broker failed'),
    );
    broker.on('clientReady', (client) => {
      this.#sessions.ready(client.id, client.conn);
      this.#connections.get(client.conn)?.accepted();
    });
    broker.on('subscribe', (subscriptions, client) => {
      if (client === null) return;
      for (const { topic } of subscriptions) this.#sessions.subscribed(client.id, topic);
    });
    broker.on('clientError', (client, error) => {
      this.#ports.logger.debug({ device: client.id, error: error.message }, 'a connection ended with an error');
    });
    broker.on('connectionError', (_client, error) => {
      this.#ports.logger.debug({ error: error.message }, 'a connection ended before it was accepted');
    });
    return broker;
  }

  /** Whatever a device may publish ends in `authorizePublish`; carrying it on to subscribers would only cost. */
  #consumePublishes(broker: Aedes): void {
    const publish = broker.publish.bind(broker) as (packet: PublishPacket, ...rest: unknown[]) => void;
    broker.publish = (packet: PublishPacket, ...rest: unknown[]) => {
      const [client, done] = rest;
      if (typeof client === 'object' && client !== null) (done as () => void)();
      else publish(packet, ...rest);
    };
  }

  #accept(socket: TLSSocket): void {
    const connection = new Connection(socket, this.#limits, this.#inFlight, (fault) => {
      this.#sessions.counts[fault]++;
      this.#ports.logger.warn({ peer: socket.remoteAddress, fault }, 'a connection was cut off');
    });
    this.#connections.set(socket, connection);
    socket.once('close', () => {
      this.#connections.delete(socket);
      connection.closed();
    });
    this.#broker.handle(socket);
  }

  async #authenticate(client: Client): Promise<void> {
    await this.#sessions.admit(peerOf(client.conn as TLSSocket), client.id, client.conn);
    client.conn.once('close', () => this.#sessions.ended(client.id, client.conn));
  }

  /** Resolves when the packet is done with; rejects when the connection must end instead. */
  async #takePublish(client: Client | null, packet: PublishPacket): Promise<void> {
    if (client === null) throw new Error('last wills are not taken');
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    const connection = this.#connections.get(client.conn);
    connection?.begin(payload.length);
    try {
      const { later } = await this.#sessions.take(client.id, packet, payload);
      if (later === undefined) return;
      // It reads on when all that it has read is done with: what waits for its PUBACK must not keep what comes behind it.
      packet.qos = 0;
      void later.then(() => acknowledge(client, packet.messageId!));
    } finally {
      connection?.end(payload.length);
    }
  }
}

/** @see MQTT 3.1.1 section 3.4, PUBACK */
function acknowledge({ conn }: Client, packetId: number): void {
  if (conn.writable) conn.write(Uint8Array.of(0x40, 2, packetId >> 8, packetId & 0xff));
}
