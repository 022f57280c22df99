/**
 * The front: ends MQTT over TLS, knows each device by its certificate, and acknowledges what is durable.
 *
 *     TLS -> packet meter -> aedes -> authorizePublish -+- uplink -> log.append -> PUBACK
 *                                                       +- shadow request -> shadow service -> PUBACK
 *
 * aedes acknowledges before it publishes, so everything that must be durable happens in `authorizePublish`. Nothing
 * that a device publishes is handed on to subscribers: what a device hears comes from the hub.
 */
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { commandTopic, type Lane } from '@weir/protocols';
import { Aedes, type AuthenticateError, type Client, type PublishPacket } from 'aedes';
import type { Clock } from '../clock/clock.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Identity } from '../identity/identity.ts';
import { peerOf } from '../identity/peer.ts';
import { type ListenOptions, listen } from '../listen.ts';
import type { Log } from '../log/log.ts';
import type { Logger } from '../logger.ts';
import { mayPublish, maySubscribe } from './acl.ts';
import { Connection, FRONT_LIMITS, type FrontLimits, type InFlight } from './connection.ts';
import { type OnlineDevices, PresenceTeller } from './presence.ts';
import { takeUplink } from './uplink.ts';

export interface ShadowRequests {
  /** A shadow request of a device; resolves when it has been answered. */
  request(device: string, name: string | undefined, verb: 'get' | 'update', payload: Uint8Array): Promise<void>;
}

export interface FrontPorts {
  identity: Identity;
  log: Log;
  fleet: Pick<Fleet, 'device' | 'presence' | 'refused'>;
  shadows: ShadowRequests;
  /** Told when a device has subscribed to its commands. */
  onListening(device: string): void;
  /** Devices that the log was told of as there, by this front or one before it. */
  online: OnlineDevices;
  logger: Logger;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
}

export type FrontCount =
  | 'kept'
  | 'refused'
  | 'not_durable'
  | 'forbidden'
  | 'unauthorized'
  | 'packet-too-large'
  | 'malformed-length'
  | 'connections_over_limit';

export interface Front {
  /** @returns the port it listens on. @throws {UsageError} `port-taken` */
  start(): Promise<number>;
  stop(): Promise<void>;
  /** Hands a message to the devices that subscribed to its topic; resolves when the broker has taken it. */
  publish(topic: string, payload: Uint8Array | string, qos?: 0 | 1): Promise<void>;
  /** Ends the device's connection, e.g. when it was revoked. */
  disconnect(device: string): void;
  /** Takes over a certificate that was made again. */
  renewCertificate(): void;
  connected(): number;
  counts(): Readonly<Record<FrontCount, number>>;
}

export interface FrontOptions extends ListenOptions {
  limits?: Partial<FrontLimits>;
}

const KEEPALIVE_S_MAX = 1_200;

export function createFront(ports: FrontPorts, options: FrontOptions): Front {
  return new AedesFront(ports, options);
}

class AedesFront implements Front {
  #ports: FrontPorts;
  #options: FrontOptions;
  #limits: FrontLimits;
  #broker: Aedes;
  #server: Server | undefined;
  #connections = new Map<Duplex, Connection>();
  /** By device id. */
  #devices = new Map<string, Client>();
  /** By device id: let in, and not yet ready. The connection before it ends meanwhile, which is no going. */
  #arriving = new Map<string, Client>();
  #presence: PresenceTeller;
  #inFlight: InFlight = { bytes: 0, held: new Set() };
  #lastStamp = 0;
  #counts: Record<FrontCount, number> = {
    kept: 0,
    refused: 0,
    not_durable: 0,
    forbidden: 0,
    unauthorized: 0,
    'packet-too-large': 0,
    'malformed-length': 0,
    connections_over_limit: 0,
  };

  constructor(ports: FrontPorts, options: FrontOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#limits = { ...FRONT_LIMITS, ...options.limits };
    this.#broker = this.#makeBroker();
    const isConnected = (device: string) => this.#devices.has(device);
    this.#presence = new PresenceTeller({ ...ports, isConnected }, this.#limits.returnMs);
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
    this.#server.on('drop', () => this.#counts.connections_over_limit++);
    this.#server.on('tlsClientError', (error) => {
      this.#counts.unauthorized++;
      this.#ports.logger.debug({ error: error.message }, 'a TLS handshake failed');
    });
    const port = await listen(this.#server, this.#options);
    this.#presence.start();
    return port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    await this.#presence.stop();
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
    this.#devices.get(device)?.conn.destroy();
  }

  renewCertificate(): void {
    const { identity } = this.#ports;
    this.#server?.setSecureContext({ ...identity.server(), ca: identity.ca, minVersion: 'TLSv1.2' });
  }

  connected(): number {
    return this.#devices.size;
  }

  counts(): Readonly<Record<FrontCount, number>> {
    return this.#counts;
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
        const few = Object.keys((client as { subscriptions?: object }).subscriptions ?? {}).length < 50;
        const allowed = few && maySubscribe(client.id, subscription.topic);
        if (!allowed) this.#forbid(client.id, `may not subscribe to ${subscription.topic.slice(0, 256)}`);
        done(null, allowed ? subscription : null);
      },
    });
    this.#consumePublishes(broker);
    // Missing from its types; without a listener the process would end.
    (broker as EventEmitter).on('error', (error: Error) =>
      this.#ports.logger.error({ error: error.message }, 'the broker failed'),
    );
    broker.on('clientReady', (client) => this.#ready(client));
    broker.on('subscribe', (subscriptions, client) => {
      const commands = client === null ? undefined : commandTopic(client.id);
      if (subscriptions.some(({ topic }) => topic === commands)) this.#ports.onListening(client!.id);
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
      this.#counts[fault]++;
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
    const peer = peerOf(client.conn as TLSSocket);
    const device = peer === undefined ? undefined : await this.#ports.fleet.device(peer.device);
    if (peer === undefined || device?.certificateSerial !== peer.serial) {
      this.#counts.unauthorized++;
      throw refusal(5, `${peer?.device ?? 'someone'} has no certificate that is in force`);
    }
    if (client.id !== peer.device) {
      this.#counts.unauthorized++;
      throw refusal(2, `the client id must be ${peer.device}, as in the certificate`);
    }
    this.#arriving.set(client.id, client);
    client.conn.once('close', () => {
      if (this.#arriving.get(client.id) !== client) return;
      this.#arriving.delete(client.id);
      if (!this.#devices.has(client.id)) this.#presence.left(client.id);
    });
  }

  #ready(client: Client): void {
    const before = this.#devices.get(client.id);
    if (before !== undefined && before !== client) before.conn.destroy();
    this.#devices.set(client.id, client);
    if (this.#arriving.get(client.id) === client) this.#arriving.delete(client.id);
    this.#connections.get(client.conn)?.accepted();
    this.#tellPresence(client.id, true);
    this.#presence.came(client.id);
    client.conn.once('close', () => {
      if (this.#devices.get(client.id) !== client) return;
      this.#devices.delete(client.id);
      this.#tellPresence(client.id, false);
      if (!this.#arriving.has(client.id)) this.#presence.left(client.id);
    });
  }

  #tellPresence(device: string, connected: boolean): void {
    const { fleet, logger, clock } = this.#ports;
    // Strictly rising, so that of a takeover's two messages the later one counts.
    this.#lastStamp = Math.max(clock.now(), this.#lastStamp + 1);
    fleet.presence(device, connected, this.#lastStamp).catch((error: Error) => {
      logger.warn({ device, error: error.message }, 'presence could not be recorded');
    });
  }

  /** Resolves when the packet may be acknowledged; rejects when the connection must end instead. */
  async #takePublish(client: Client | null, packet: PublishPacket): Promise<void> {
    if (client === null) throw new Error('last wills are not taken');
    const permission = mayPublish(client.id, packet);
    if (permission.kind === 'refused') {
      this.#forbid(client.id, permission.why);
      throw new Error(permission.why);
    }
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    const connection = this.#connections.get(client.conn);
    connection?.begin(payload.length);
    try {
      if (permission.kind === 'uplink') await this.#takeUplink(client.id, permission.lane, payload);
      else await this.#ports.shadows.request(client.id, permission.name, permission.verb, payload);
    } finally {
      connection?.end(payload.length);
    }
  }

  async #takeUplink(device: string, lane: Lane, payload: Uint8Array): Promise<void> {
    const { log, clock, logger } = this.#ports;
    const receivedAt = clock.now();
    const refused = (...args: Parameters<Fleet['refused']>) => this.#keepAside(...args);
    try {
      this.#counts[await takeUplink({ device, lane, payload, receivedAt }, { log, refused })]++;
    } catch (error) {
      this.#counts.not_durable++;
      logger.error({ device, error: (error as Error).message }, 'a batch was not made durable; the device sends again');
      throw error;
    }
  }

  #forbid(device: string, why: string): void {
    this.#counts.forbidden++;
    this.#ports.logger.warn({ device, why }, 'a device was refused');
    this.#keepAside(device, 'forbidden', why, new Uint8Array());
  }

  async #keepAside(device: string, reason: string, detail: string, payload: Uint8Array): Promise<void> {
    const { fleet, logger } = this.#ports;
    try {
      await fleet.refused(device, reason, detail, payload);
    } catch (error) {
      logger.error({ device, reason, detail, error: (error as Error).message }, 'a bad message could not be kept');
    }
  }
}

/** @param returnCode @see MQTT 3.1.1 table 3.1 */
function refusal(returnCode: 2 | 5, message: string): AuthenticateError {
  return Object.assign(new Error(message), { returnCode }) as AuthenticateError;
}
