/**
 * Who is connected, and what becomes of what they send. However a connection is carried, this decides.
 *
 *     admit -> ready -> take, take, ... -> ended
 *
 * A device has one connection: a second one takes the place of the first.
 */
import { commandTopic, type Lane } from '@weir/protocols';
import { standingOf } from '../fleet/certificates.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Peer } from '../identity/peer.ts';
import { mayPublish, maySubscribe, type PublishRequest } from './acl.ts';
import type { FrontCount, FrontPorts } from './front.ts';
import { PresenceTeller } from './presence.ts';
import { takeUplink } from './uplink.ts';

/** What is asked of a connection. */
export interface SessionConnection {
  /** Ends it at once; whoever carries it calls `ended` then. */
  destroy(): void;
}

/** What became of a message of a device. */
export interface Taken {
  /** Resolves when it may be acknowledged; undefined: at once. */
  later: Promise<void> | undefined;
}

const AT_ONCE: Taken = { later: undefined };

/** More is no agent. */
const SUBSCRIPTIONS_MAX = 50;

export class Sessions<C extends SessionConnection> {
  readonly counts: Record<FrontCount, number> = {
    kept: 0,
    refused: 0,
    not_durable: 0,
    forbidden: 0,
    unauthorized: 0,
    'packet-too-large': 0,
    'malformed-length': 0,
    connections_over_limit: 0,
  };
  readonly #ports: Omit<FrontPorts, 'identity'>;
  /** By device id. */
  readonly #devices = new Map<string, C>();
  /** By device id: let in, and not yet ready. The connection before it ends meanwhile, which is no going. */
  readonly #arriving = new Map<string, C>();
  readonly #presence: PresenceTeller;
  #lastStamp = 0;

  /** @param returnMs how long devices of the front before this one have to come back */
  constructor(ports: Omit<FrontPorts, 'identity'>, returnMs: number) {
    this.#ports = ports;
    const isConnected = (device: string) => this.#devices.has(device);
    this.#presence = new PresenceTeller({ ...ports, isConnected }, returnMs);
  }

  start(): void {
    this.#presence.start();
  }

  /** From here on no going is told: devices come back to the front that follows. */
  stop(): Promise<void> {
    this.#ports.backfill.release();
    return this.#presence.stop();
  }

  get connected(): number {
    return this.#devices.size;
  }

  connection(device: string): C | undefined {
    return this.#devices.get(device);
  }

  /**
   * @param peer whom the certificate names; undefined: it showed none of ours
   * @throws an error with `returnCode` of CONNACK
   */
  async admit(peer: Peer | undefined, clientId: string, connection: C): Promise<void> {
    const { fleet, clock } = this.#ports;
    const device = peer && (await fleet.device(peer.device));
    const standing = peer && standingOf(device, peer.serial, clock.now());
    if (peer === undefined || standing === undefined) {
      this.counts.unauthorized++;
      throw refusal(5, `${peer?.device ?? 'someone'} has no certificate that is in force`);
    }
    if (clientId !== peer.device) {
      this.counts.unauthorized++;
      throw refusal(2, `the client id must be ${peer.device}, as in the certificate`);
    }
    if (standing === 'next') await fleet.certificateUsed(peer.device, peer.serial);
    this.#arriving.set(clientId, connection);
  }

  /** It was admitted, and has been told so. */
  ready(device: string, connection: C): void {
    const before = this.#devices.get(device);
    if (before !== undefined && before !== connection) before.destroy();
    this.#devices.set(device, connection);
    if (this.#arriving.get(device) === connection) this.#arriving.delete(device);
    this.#tellPresence(device, true);
    this.#presence.came(device);
  }

  /** A connection that was admitted is no more. */
  ended(device: string, connection: C): void {
    if (this.#arriving.get(device) === connection) {
      this.#arriving.delete(device);
      if (!this.#devices.has(device)) this.#presence.left(device);
    }
    if (this.#devices.get(device) !== connection) return;
    this.#devices.delete(device);
    this.#tellPresence(device, false);
    if (!this.#arriving.has(device)) this.#presence.left(device);
  }

  /** @param held how many subscriptions the connection has */
  maySubscribe(device: string, filter: string, held: number): boolean {
    if (held < SUBSCRIPTIONS_MAX && maySubscribe(device, filter)) return true;
    this.#forbid(device, `may not subscribe to ${filter.slice(0, 256)}`);
    return false;
  }

  subscribed(device: string, filter: string): void {
    if (filter === commandTopic(device)) this.#ports.onListening(device);
  }

  /** Resolves when the message is done with; rejects when the connection must end instead. */
  async take(device: string, message: PublishRequest, payload: Uint8Array): Promise<Taken> {
    const permission = mayPublish(device, message, this.#ports.ingestRule);
    if (permission.kind === 'refused') {
      this.#forbid(device, permission.why);
      throw new Error(permission.why);
    }
    if (permission.kind === 'uplink') return this.#takeUplink(device, permission.lane, payload);
    await this.#ports.shadows.request(device, permission.name, permission.verb, payload);
    return AT_ONCE;
  }

  #tellPresence(device: string, connected: boolean): void {
    const { fleet, logger, clock } = this.#ports;
    // Strictly rising, so that of a takeover's two messages the later one counts.
    this.#lastStamp = Math.max(clock.now(), this.#lastStamp + 1);
    fleet.presence(device, connected, this.#lastStamp).catch((error: Error) => {
      logger.warn({ device, error: error.message }, 'presence could not be recorded');
    });
  }

  async #takeUplink(device: string, lane: Lane, payload: Uint8Array): Promise<Taken> {
    const { log, clock, logger, backfill } = this.#ports;
    const receivedAt = clock.now();
    const refused = (...args: Parameters<Fleet['refused']>) => this.#keepAside(...args);
    const place = lane === 'backfill' ? backfill.enter(device) : undefined;
    try {
      const taken = await takeUplink({ device, lane, payload, receivedAt }, { log, refused });
      this.counts[taken]++;
      if (taken === 'refused') place?.leave();
      return { later: place?.passed };
    } catch (error) {
      place?.leave();
      this.counts.not_durable++;
      logger.error({ device, error: (error as Error).message }, 'a batch was not made durable; the device sends again');
      throw error;
    }
  }

  #forbid(device: string, why: string): void {
    this.counts.forbidden++;
    this.#ports.logger.warn({ device, why }, 'a device was refused');
    void this.#keepAside(device, 'forbidden', why, new Uint8Array());
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
function refusal(returnCode: 2 | 5, message: string): Error & { returnCode: number } {
  return Object.assign(new Error(message), { returnCode });
}
