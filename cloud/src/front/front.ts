/**
 * The front: where devices come in. It knows each device by its certificate, and acknowledges what is durable.
 *
 *     connection -> sessions -+- uplink -> log.append -> PUBACK
 *                             +- shadow request -> shadow service -> PUBACK
 *
 * Obligations of whoever carries it: each message of a device goes through {@link Sessions}, those of a connection in
 * their order; one is acknowledged when that resolves, or as much later as it says, and those behind it do not wait for
 * that. When it rejects the connection ends instead. Nothing that a device publishes is handed on to subscribers: what a
 * device hears comes from the hub.
 */
import type { ShadowVerb } from '@weir/protocols';
import type { Clock } from '../clock/clock.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Identity } from '../identity/identity.ts';
import type { ListenOptions } from '../listen.ts';
import type { Log } from '../log/log.ts';
import type { Logger } from '../logger.ts';
import type { Backfill } from './backfill.ts';
import type { FrontLimits } from './connection.ts';
import type { OnlineDevices } from './presence.ts';

export interface ShadowRequests {
  /** A shadow request of a device; resolves when it has been answered. */
  request(device: string, name: string | undefined, verb: ShadowVerb, payload: Uint8Array): Promise<void>;
}

export interface FrontPorts {
  identity: Identity;
  log: Log;
  fleet: Pick<Fleet, 'device' | 'certificateUsed' | 'presence' | 'refused'>;
  shadows: ShadowRequests;
  /** Name of the rule of Basic Ingest under which devices may publish as well. */
  ingestRule?: string;
  /** Told by workers of what they have passed. */
  backfill: Backfill;
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
  /** Hands a message to the devices that subscribed to its topic; resolves when it is on its way. */
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
