/**
 * The front: where devices come in. It knows each device by its certificate, and acknowledges what is durable.
 *
 *     connection -> sessions -+- uplink -> log.append -> PUBACK
 *                             +- shadow request -> shadow service -> PUBACK
 *
 * Obligations of whoever carries it: each message of a device goes through {@link Sessions}, those of a connection in
 * their order; one is acknowledged when that resolves, in that order [MQTT-4.6.0-2]. When it rejects the connection ends
 * instead. Nothing that a device publishes is handed on to subscribers: what a device hears comes from the hub.
 */
import type { ShadowVerb } from '@weir/protocols';
import type { Clock } from '../clock/clock.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Identity } from '../identity/identity.ts';
import type { ListenOptions } from '../listen.ts';
import type { Log } from '../log/log.ts';
import type { Logger } from '../logger.ts';
import type { Retained } from '../retained/retained.ts';
import type { Backfill } from './backfill.ts';
import type { FrontLimits } from './connection.ts';
import type { LifecycleEvent } from './lifecycle.ts';
import type { OnlineDevices } from './presence.ts';
import type { Flapping } from './takeovers.ts';

export interface ShadowRequests {
  /** A shadow request of a device; resolves when it has been answered. */
  request(device: string, name: string | undefined, verb: ShadowVerb, payload: Uint8Array): Promise<void>;
}

export interface FrontPorts {
  identity: Identity;
  log: Log;
  fleet: Pick<Fleet, 'device' | 'certificateUsed' | 'takeForgotten' | 'presence' | 'refused'>;
  shadows: ShadowRequests;
  /** Told to those who subscribe to exactly this topic. Absent: nothing is retained. */
  retained?: Pick<Retained, 'get'>;
  /** Name of the rule of Basic Ingest under which devices may publish as well. */
  ingestRule?: string;
  /** Told by workers of what they have passed. */
  backfill: Backfill;
  /** Told when devices connect, go, subscribe and unsubscribe. It must not block, and must not throw. */
  onLifecycle(event: LifecycleEvent): void;
  /** Told when a device begins to flap. @see takeovers.ts */
  onFlapping(device: string, flapping: Flapping): void;
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
  | 'connections_over_limit'
  | 'connects_over_rate'
  | 'throttled'
  | 'slow_consumer';

export type QoS = 0 | 1;

export interface SocketAddress {
  address: string;
  port: number;
}

/** @see AWS IoT Core, lifecycle events: the reasons that can come about here */
export type DisconnectReason =
  /** The certificate does not speak for the device any more: revoked, replaced, or the device was removed. */
  | 'AUTH_ERROR'
  | 'API_INITIATED_DISCONNECT'
  | 'CLIENT_INITIATED_DISCONNECT'
  /** It did not speak MQTT as it is specified. */
  | 'CLIENT_ERROR'
  | 'CONNECTION_LOST'
  | 'DUPLICATE_CLIENTID'
  /** It did what it may not do. */
  | 'FORBIDDEN_ACCESS'
  | 'MQTT_KEEP_ALIVE_TIMEOUT'
  | 'SERVER_ERROR'
  /** The hub ends. */
  | 'SERVER_INITIATED_DISCONNECT'
  /** It takes what is sent to it too slowly. */
  | 'THROTTLED';

/** `since`, `until`: ms since epoch. */
export interface ConnectionInfo {
  clientId: string;
  connected: boolean;
  /** As the client asked for; the hub keeps no session. */
  cleanSession: boolean;
  /** In force. */
  keepAliveS: number;
  connectedSince: number;
  /** When something came from it last, a ping, say. */
  heardAt: number;
  /** When it has ended. */
  disconnectedSince?: number;
  disconnectReason?: DisconnectReason;
  source: SocketAddress;
  /** Of the hub. */
  target: SocketAddress;
  /** The device is there twice, or loses its line again and again. */
  flapping?: Flapping;
}

export interface Subscription {
  topicFilter: string;
  qos: QoS;
}

/** What stands beside a message for clients of MQTT 5; others never see it. @see MQTT 5.0 section 3.3.2.3 */
export interface MessageProperties {
  contentType?: string;
  responseTopic?: string;
  correlationData?: Buffer;
  /** A name that is there several times has several values. */
  userProperties?: Record<string, string[]>;
  /** True: the payload is UTF-8. */
  payloadFormatIndicator?: boolean;
  /** Seconds. */
  messageExpiryInterval?: number;
}

export interface DirectOptions {
  properties?: MessageProperties | undefined;
  /** At QoS 1; the promise waits for the PUBACK. */
  confirm?: boolean;
  /** How long it waits. */
  timeoutMs?: number;
}

/** `sent`: it is on its way; `gone`: there is no connection, or it ended before the PUBACK. */
export type DirectOutcome = 'sent' | 'confirmed' | 'timed-out' | 'gone';

/** The connections of devices, for whoever operates the hub. A device has one at most, and is its client id. */
export interface Connections {
  /** Those that are connected, in order of client id. */
  list(): ConnectionInfo[];
  /** Also one that ended within the last half hour. */
  get(clientId: string): ConnectionInfo | undefined;
  /** In order of filter; undefined: the device is not connected. */
  subscriptions(clientId: string): Subscription[] | undefined;
  /** Ends the connection at once. @returns whether there was one */
  disconnect(clientId: string): boolean;
  /** Hands a message to one device, whether it subscribed to the topic or not; never rejects. */
  sendDirect(clientId: string, topic: string, payload: Uint8Array, options?: DirectOptions): Promise<DirectOutcome>;
}

export interface Front {
  readonly connections: Connections;
  /** @returns the port it listens on. @throws {UsageError} `port-taken` */
  start(): Promise<number>;
  stop(): Promise<void>;
  /** Hands a message to the devices that subscribed to its topic; resolves when it is on its way. */
  publish(topic: string, payload: Uint8Array | string, qos?: QoS, properties?: MessageProperties): Promise<void>;
  /** Which certificates speak for the device has changed: connections with another one end. */
  recheck(device: string): Promise<void>;
  /** Takes over a certificate that was made again. */
  renewCertificate(): void;
  connected(): number;
  counts(): Readonly<Record<FrontCount, number>>;
}

export interface FrontOptions extends ListenOptions {
  limits?: Partial<FrontLimits>;
  /** Holds devices to the limits of AWS IoT Core as well. @see aws-strict.ts */
  isStrict?: boolean;
}
