/**
 * Who may connect, and what becomes of what they send. However a connection is carried, this decides.
 *
 *     admit -> ready -> take, subscribed, ... -> ended
 *
 * A device has one connection: a second one takes the place of the first.
 */
import { commandTopic, type Lane } from '@weir/protocols';
import { standingOf } from '../fleet/certificates.ts';
import type { ConnectionEnd, Fleet } from '../fleet/fleet.ts';
import { isInForce } from '../fleet/forgotten.ts';
import type { Peer } from '../identity/peer.ts';
import { mayPublish, maySubscribe, type PublishRequest } from './acl.ts';
import type {
  Connections,
  DisconnectReason,
  FrontCount,
  FrontPorts,
  MessageProperties,
  QoS,
  Subscription,
} from './front.ts';
import { PresenceTeller } from './presence.ts';
import { type Arrival, Roster, type SessionConnection } from './roster.ts';
import { takeUplink } from './uplink.ts';
import { userPropertiesIn } from './user-properties.ts';

/** Only who has a certificate of ours is told of; a fleet that is set up anew may have many. */
const STRANGERS_TOLD_MAX = 1_000;
const STRANGER =
  'a device showed a certificate of this hub that is not in force, and has to join again: it was revoked, removed or ' +
  'replaced, or joined after the copy was made to which the data of this hub was put back';
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
    connects_over_rate: 0,
    throttled: 0,
    slow_consumer: 0,
  };
  readonly #ports: Omit<FrontPorts, 'identity'>;
  readonly #roster: Roster<C>;
  /** Being looked at; what is found may be out of date when it has been found. */
  readonly #admissions = new Set<{ device: string; isStale: boolean }>();
  /** By device id: let in, and not yet ready. The connection before it ends meanwhile, which is no going. */
  readonly #arriving = new Map<string, Arrival<C>>();
  /** That were told of. */
  readonly #strangers = new Set<string>();
  readonly #presence: PresenceTeller;
  #lastStamp = 0;

  /** @param returnMs how long devices of the front before this one have to come back */
  constructor(ports: Omit<FrontPorts, 'identity'>, returnMs: number) {
    this.#ports = ports;
    this.#roster = new Roster({
      ...ports,
      onLifecycle: (event) => {
        ports.onLifecycle(event);
        this.#roster.publish(event.topic, Buffer.from(JSON.stringify(event.document)), 1);
      },
    });
    const isConnected = (device: string) => this.#roster.arrivalOf(device) !== undefined;
    this.#presence = new PresenceTeller({ ...ports, isConnected }, returnMs);
  }

  start(): void {
    this.#presence.start();
  }

  /** From here on no going is told: devices come back to the front that follows. */
  stop(): Promise<void> {
    return this.#presence.stop();
  }

  get connections(): Connections {
    return this.#roster;
  }

  get connected(): number {
    return this.#roster.size;
  }

  /**
   * @param peer whom the certificate names; undefined: it showed none of ours
   * @throws an error with `returnCode` of CONNACK
   */
  async admit(peer: Peer | undefined, clientId: string, connection: C): Promise<void> {
    if (peer === undefined || !(await this.#isInForce(peer))) {
      this.counts.unauthorized++;
      if (peer !== undefined) this.#tellStranger(peer);
      throw refusal(5, `${peer?.device ?? 'someone'} has no certificate that is in force`);
    }
    if (clientId !== peer.device) {
      this.counts.unauthorized++;
      throw refusal(2, `the client id must be ${peer.device}, as in the certificate`);
    }
    const arriving = this.#arriving.get(clientId);
    const { serial, fingerprint: principal } = peer;
    this.#arriving.set(clientId, { device: clientId, connection, serial, principal });
    arriving?.connection.destroy();
    this.#roster.takeOver(clientId, connection);
  }

  /** Whoever put the hub back to an old copy of its data learns so who has to join again; once each, for it tries again and again. */
  #tellStranger({ device, serial, address }: Peer): void {
    if (this.#strangers.has(device) || this.#strangers.size >= STRANGERS_TOLD_MAX) return;
    this.#strangers.add(device);
    this.#ports.logger.warn({ device, serial, address }, STRANGER);
  }

  /** As of the end of the looking: certificates may end meanwhile. */
  async #isInForce(peer: Peer): Promise<boolean> {
    const { fleet, clock } = this.#ports;
    const admission = { device: peer.device, isStale: false };
    this.#admissions.add(admission);
    try {
      for (;;) {
        admission.isStale = false;
        const isIn = await isInForce(fleet, peer, () => clock.now());
        if (!admission.isStale) return isIn;
      }
    } finally {
      this.#admissions.delete(admission);
    }
  }

  /** Which certificates speak for a device has changed: its connections with another one end. */
  async recheck(device: string): Promise<void> {
    const { fleet, clock } = this.#ports;
    for (const admission of this.#admissions) if (admission.device === device) admission.isStale = true;
    // If in doubt they end: a device that may come comes back.
    const record = await fleet.device(device).catch(() => undefined);
    const isOut = (arrival: Arrival<C> | undefined) =>
      arrival !== undefined && standingOf(record, arrival.serial, clock.now()) === undefined;
    const arriving = this.#arriving.get(device);
    if (isOut(arriving)) arriving!.connection.destroy();
    if (isOut(this.#roster.arrivalOf(device))) this.#roster.end(device, 'AUTH_ERROR');
  }

  /** It was admitted, and has been told so. */
  ready(device: string, connection: C): void {
    const arrival = this.#arriving.get(device);
    if (arrival?.connection !== connection) {
      connection.destroy();
      return;
    }
    this.#arriving.delete(device);
    this.#roster.enter(arrival);
    this.#tellPresence(device, true);
    this.#presence.came(device);
  }

  /**
   * A connection that was admitted is no more.
   * @param hint why, as far as whoever carried it can see
   */
  ended(device: string, connection: C, hint: DisconnectReason = 'CONNECTION_LOST'): void {
    const isArriving = this.#arriving.get(device)?.connection === connection;
    if (isArriving) this.#arriving.delete(device);
    const wasReady = this.#roster.leave(device, connection, hint);
    if (!isArriving && !wasReady) return;
    if (this.#arriving.has(device) || this.#roster.arrivalOf(device) !== undefined) return;
    this.#ports.backfill.gone(device);
    const { disconnectReason: reason = hint } = this.#roster.get(device) ?? {};
    this.#tellPresence(device, false, { reason, heardAt: connection.heardAt });
    this.#presence.left(device);
  }

  maySubscribe(device: string, filter: string): boolean {
    const held = this.#roster.filtersBeside(device, filter);
    if (held < SUBSCRIPTIONS_MAX && maySubscribe(device, filter)) return true;
    this.#forbid(device, `may not subscribe to ${filter.slice(0, 256)}`);
    return false;
  }

  /** The device has been told that they are granted. */
  subscribed(device: string, connection: C, subscriptions: readonly Subscription[]): void {
    this.#roster.subscribed(device, connection, subscriptions);
    const command = commandTopic(device);
    if (subscriptions.some(({ topicFilter }) => topicFilter === command)) this.#ports.onListening(device);
    for (const subscription of subscriptions) void this.#tellRetained(device, connection, subscription);
  }

  /** Not to filters with wildcards. @see AWS IoT developer guide, MQTT retained messages */
  async #tellRetained(device: string, connection: C, { topicFilter: topic, qos }: Subscription): Promise<void> {
    if (this.#ports.retained === undefined || /[+#]/.test(topic)) return;
    try {
      const message = await this.#ports.retained.get(topic);
      if (message === undefined || !this.#roster.isIn(device, connection)) return;
      const { payload, userProperties } = message;
      const properties = userProperties === undefined ? {} : { userProperties: userPropertiesIn(userProperties) };
      connection.deliver({ topic, payload, qos: message.qos < qos ? message.qos : qos, retain: true, properties });
    } catch (error) {
      this.#ports.logger.warn({ device, topic, error: (error as Error).message }, 'a retained message cannot be read');
    }
  }

  unsubscribed(device: string, connection: C, filters: readonly string[]): void {
    this.#roster.unsubscribed(device, connection, filters);
  }

  /** To those that subscribed. */
  publish(topic: string, payload: Uint8Array, qos: QoS, properties?: MessageProperties): void {
    this.#roster.publish(topic, payload, qos, properties);
  }

  /** Resolves when the message is done with; rejects when the connection must end instead. */
  async take(device: string, connection: C, message: PublishRequest, payload: Uint8Array): Promise<void> {
    if (!this.#roster.isIn(device, connection)) throw new Error('the connection has ended');
    const permission = mayPublish(device, message, this.#ports.ingestRule);
    if (permission.kind === 'refused') {
      this.#forbid(device, permission.why);
      throw ending('FORBIDDEN_ACCESS', permission.why);
    }
    if (permission.kind === 'uplink') return this.#takeUplink(device, permission.lane, payload);
    await this.#ports.shadows.request(device, permission.name, permission.verb, payload);
  }

  #tellPresence(device: string, connected: boolean, end?: ConnectionEnd): void {
    const { fleet, logger, clock } = this.#ports;
    // Strictly rising, so that of a takeover's two messages the later one counts.
    this.#lastStamp = Math.max(clock.now(), this.#lastStamp + 1);
    fleet.presence(device, connected, this.#lastStamp, end).catch((error: Error) => {
      logger.warn({ device, error: error.message }, 'presence could not be recorded');
    });
  }

  async #takeUplink(device: string, lane: Lane, payload: Uint8Array): Promise<void> {
    const { log, clock, logger, backfill } = this.#ports;
    const receivedAt = clock.now();
    const refused = (...args: Parameters<Fleet['refused']>) => this.#keepAside(...args);
    const entering = lane === 'backfill' ? (items: number) => backfill.enter(device, items) : undefined;
    try {
      const taken = await takeUplink({ device, lane, payload, receivedAt }, { log, refused, entering });
      this.counts[taken]++;
    } catch (error) {
      this.counts.not_durable++;
      const { message } = error as Error;
      logger.error({ device, error: message }, 'a batch was not made durable; the device sends again');
      throw ending('SERVER_ERROR', message, { cause: error });
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
export function refusal(returnCode: 2 | 3 | 5, message: string): Error & { returnCode: number } {
  return Object.assign(new Error(message), { returnCode });
}

/** For which the connection ends. */
function ending(reason: DisconnectReason, message: string, options?: ErrorOptions): Error {
  return Object.assign(new Error(message, options), { reason });
}
