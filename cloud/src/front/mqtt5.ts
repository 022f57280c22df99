/**
 * MQTT 5 for one connection, over a broker that speaks 3.1.1.
 *
 *     client -> read  -> packets of 3.1.1 -> broker
 *     client <- write <- packets of 3.1.1 <- broker
 *     client <- deliver <- what the hub has for it
 *
 * What 3.1.1 has no word for is kept here: reasons, topic aliases, how many messages a client takes at a time, whether it
 * wants what is retained. What the hub does not have it says in its CONNACK, as the standard asks for.
 *
 * @see MQTT 5.0; AWS IoT developer guide, "MQTT 5 supported features"
 */
import { type IPublishPacket, generate as mqtt, type Packet, type Parser, parser } from 'mqtt-packet';
import type { DisconnectReason } from './front.ts';

/** What the hub holds the client to. */
export interface Mqtt5Limits {
  packetBytesMax: number;
  /** Messages of QoS 1 that it takes unacknowledged; undefined: it says nothing of it. */
  unackedMax?: number | undefined;
  /** The keep alive in force, seconds; known before CONNECT is answered. */
  keepAliveS(): number;
}

/** @see MQTT 5.0 section 2.4 */
const REASON = {
  unspecified: 0x80,
  malformed: 0x81,
  protocolError: 0x82,
  implementation: 0x83,
  versionUnsupported: 0x84,
  clientIdInvalid: 0x85,
  notAuthorized: 0x87,
  serverUnavailable: 0x88,
  shuttingDown: 0x8b,
  badAuthenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  quotaExceeded: 0x97,
  administrative: 0x98,
  rateExceeded: 0x9f,
  sharedUnsupported: 0x9e,
  identifiersUnsupported: 0xa1,
} as const;

type ReasonCode = (typeof REASON)[keyof typeof REASON];

/** @see AWS IoT Core, MQTT 5 topic aliases: 8 in either direction */
const TOPIC_ALIAS_MAX = 8;
const VERSION = 5;
const V5 = { protocolVersion: VERSION } as const;
const NONE = Buffer.alloc(0);
/** [MQTT-3.2.2-1] by code of 3.1.1, section 3.2.2.3 there; 7 is said by AWS for 5. */
const CONNACK_REASONS: Record<number, ReasonCode> = {
  1: REASON.versionUnsupported,
  2: REASON.clientIdInvalid,
  3: REASON.rateExceeded,
  5: REASON.notAuthorized,
  7: REASON.notAuthorized,
};
const DISCONNECT_REASONS: Partial<Record<DisconnectReason, ReasonCode>> = {
  AUTH_ERROR: REASON.notAuthorized,
  API_INITIATED_DISCONNECT: REASON.administrative,
  CLIENT_ERROR: REASON.protocolError,
  DUPLICATE_CLIENTID: REASON.sessionTakenOver,
  FORBIDDEN_ACCESS: REASON.notAuthorized,
  MQTT_KEEP_ALIVE_TIMEOUT: REASON.keepAliveTimeout,
  SERVER_INITIATED_DISCONNECT: REASON.shuttingDown,
  THROTTLED: REASON.quotaExceeded,
};

/** @param packet a whole CONNECT, or anything else. @returns whether it asks for MQTT 5 */
export function asksForMqtt5(packet: Uint8Array): boolean {
  let at = 1;
  while (at < 5 && packet[at]! & 0x80) at++;
  const name = [0, 4, 0x4d, 0x51, 0x54, 0x54, VERSION];
  return packet[0] === 0x10 && name.every((byte, index) => packet[at + 1 + index] === byte);
}

interface Asked {
  keepAliveS: number;
  sessionExpiryS: number;
  receiveMax: number;
  packetBytesMax: number;
}

export class Mqtt5 {
  readonly #limits: Mqtt5Limits;
  readonly #fromClient: Parser = parser(V5);
  readonly #fromBroker: Parser = parser({ protocolVersion: 4 });
  #read: Buffer[] = [];
  #written: Buffer[] = [];
  #asked: Asked = { keepAliveS: 0, sessionExpiryS: 0, receiveMax: 65_535, packetBytesMax: Number.POSITIVE_INFINITY };
  #state: 'connecting' | 'asked' | 'connected' | 'ended' = 'connecting';
  #fault: ReasonCode | undefined;
  readonly #aliases = new Map<number, string>();
  /** Filters by packet id, of requests that are not answered yet. */
  readonly #asking = new Map<number, string[]>();
  readonly #filters = new Set<string>();
  /** What is retained on these is not wanted. */
  readonly #withoutRetained = new Set<string>();
  /** Packet ids of messages to the client. */
  readonly #unacked = new Set<number>();
  /** Messages for which the client has no room yet, and the ids of their packets. */
  readonly #held: { id: number; packet: Buffer }[] = [];
  #heldBytes = 0;

  constructor(limits: Mqtt5Limits) {
    this.#limits = limits;
    this.#fromClient.on('packet', (packet) => {
      this.#fault ??= this.#take(packet);
    });
    this.#fromClient.on('error', () => {
      this.#fault ??= REASON.malformed;
    });
    this.#fromBroker.on('packet', (packet) => this.#answer(packet));
  }

  /** Why the connection must end. */
  get fault(): ReasonCode | undefined {
    return this.#fault;
  }

  /** What waits for the client to acknowledge what came before. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** @returns the same in 3.1.1; what is behind a {@link fault} is left out */
  read(chunk: Buffer): Buffer {
    this.#read = [];
    try {
      if (this.#fault === undefined) this.#fromClient.parse(chunk);
    } catch {
      this.#fault ??= REASON.malformed;
    }
    return Buffer.concat(this.#read);
  }

  /** @param chunk of 3.1.1. @returns what is to be sent */
  write(chunk: Buffer): Buffer {
    this.#written = [];
    this.#fromBroker.parse(chunk);
    return this.#written.length === 1 ? this.#written[0]! : Buffer.concat(this.#written);
  }

  /**
   * @returns what is to be sent now: nothing of what waits for room, which comes with {@link released}; undefined: the
   * client does not want the message
   */
  deliver(message: IPublishPacket): Buffer | undefined {
    const { topic, retain, qos, messageId } = message;
    if (retain && this.#withoutRetained.has(topic)) return undefined;
    const packet = mqtt({ ...message, properties: message.properties ?? {} }, V5);
    // [MQTT-3.1.2-25]
    if (packet.length > this.#asked.packetBytesMax) return undefined;
    if (qos === 0 || messageId === undefined) return packet;
    // [MQTT-3.3.4-9]
    if (this.#unacked.size >= this.#asked.receiveMax) {
      this.#held.push({ id: messageId, packet });
      this.#heldBytes += packet.length;
      return NONE;
    }
    this.#unacked.add(messageId);
    return packet;
  }

  /** What the client has room for by now. */
  released(): Buffer {
    const packets: Buffer[] = [];
    while (this.#held.length > 0 && this.#unacked.size < this.#asked.receiveMax) {
      const { id, packet } = this.#held.shift()!;
      this.#unacked.add(id);
      this.#heldBytes -= packet.length;
      packets.push(packet);
    }
    return Buffer.concat(packets);
  }

  /** What is to be sent last, when the hub ends the connection: why it does. Nothing where the client has ended it. */
  farewell(reason: DisconnectReason | undefined): Buffer {
    const state = this.#state;
    this.#state = 'ended';
    if (state === 'ended') return NONE;
    const known = this.#fault ?? (reason && DISCONNECT_REASONS[reason]);
    // [MQTT-3.14.0-1] before its CONNACK there is no other way to say it.
    if (state !== 'connected') return connack(known ?? REASON.implementation);
    return mqtt({ cmd: 'disconnect', reasonCode: known ?? REASON.unspecified }, V5);
  }

  /** @returns what is wrong with it */
  #take(packet: Packet): ReasonCode | undefined {
    switch (packet.cmd) {
      case 'connect':
        return this.#takeConnect(packet);
      case 'publish':
        return this.#takePublish(packet);
      case 'subscribe':
        return this.#takeSubscribe(packet);
      case 'unsubscribe':
        this.#asking.set(packet.messageId!, packet.unsubscriptions);
        return this.#pass({
          cmd: 'unsubscribe',
          messageId: packet.messageId!,
          unsubscriptions: packet.unsubscriptions,
        });
      case 'puback':
        this.#unacked.delete(packet.messageId!);
        return this.#pass({ cmd: 'puback', messageId: packet.messageId! });
      case 'pubrec':
      case 'pubrel':
      case 'pubcomp':
        return this.#pass({ cmd: packet.cmd, messageId: packet.messageId! });
      case 'disconnect':
        this.#state = 'ended';
        return this.#pass({ cmd: 'disconnect' });
      case 'pingreq':
        return this.#pass({ cmd: 'pingreq' });
      default:
        return REASON.protocolError;
    }
  }

  #takeConnect({
    clientId,
    clean,
    keepalive = 0,
    will,
    properties = {},
  }: Extract<Packet, { cmd: 'connect' }>): ReasonCode | undefined {
    // [MQTT-3.1.0-2]
    if (this.#state !== 'connecting') return REASON.protocolError;
    this.#state = 'asked';
    if (properties.authenticationMethod !== undefined) return REASON.badAuthenticationMethod;
    const { sessionExpiryInterval = 0, receiveMaximum = 65_535, maximumPacketSize } = properties;
    if (receiveMaximum === 0 || maximumPacketSize === 0) return REASON.protocolError;
    this.#asked = {
      keepAliveS: keepalive,
      sessionExpiryS: sessionExpiryInterval,
      receiveMax: receiveMaximum,
      packetBytesMax: maximumPacketSize ?? Number.POSITIVE_INFINITY,
    };
    // Who it is says its certificate: user name and password are not looked at. A will is refused, whatever is in it.
    return this.#pass({
      ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, clean: clean ?? true, keepalive },
      ...(will && { will: { topic: will.topic, payload: will.payload } }),
    });
  }

  #takePublish(packet: IPublishPacket): ReasonCode | undefined {
    const { properties: { topicAlias, subscriptionIdentifier } = {}, ...rest } = packet;
    if (subscriptionIdentifier !== undefined) return REASON.protocolError;
    let { topic } = packet;
    if (topicAlias !== undefined) {
      if (topicAlias === 0 || topicAlias > TOPIC_ALIAS_MAX) return REASON.topicAliasInvalid;
      if (topic === '') topic = this.#aliases.get(topicAlias) ?? '';
      else this.#aliases.set(topicAlias, topic);
    }
    if (topic === '') return REASON.protocolError;
    return this.#pass({ ...rest, topic });
  }

  #takeSubscribe({
    messageId,
    subscriptions,
    properties,
  }: Extract<Packet, { cmd: 'subscribe' }>): ReasonCode | undefined {
    if (properties?.subscriptionIdentifier !== undefined) return REASON.identifiersUnsupported;
    for (const { topic, rh = 0 } of subscriptions) {
      // 0: send it; 1: unless the subscription is there already; 2: do not. @see MQTT 5.0 section 3.8.3.1
      if (rh === 0 || (rh === 1 && !this.#filters.has(topic))) this.#withoutRetained.delete(topic);
      else this.#withoutRetained.add(topic);
    }
    this.#asking.set(
      messageId!,
      subscriptions.map(({ topic }) => topic),
    );
    const those = subscriptions.map(({ topic, qos }) => ({ topic, qos }));
    return this.#pass({ cmd: 'subscribe', messageId: messageId!, subscriptions: those });
  }

  #pass(packet: Packet): ReasonCode | undefined {
    try {
      this.#read.push(mqtt(packet));
      return undefined;
    } catch {
      // What cannot be written in 3.1.1 is no MQTT.
      return REASON.protocolError;
    }
  }

  #answer(packet: Packet): void {
    if (packet.cmd === 'connack') this.#answerConnack(packet);
    else if (packet.cmd === 'suback') this.#answerSuback(packet.messageId!, packet.granted as number[]);
    else if (packet.cmd === 'unsuback') this.#answerUnsuback(packet.messageId!);
    else this.#written.push(mqtt(packet, V5));
  }

  #answerConnack({ returnCode = 0 }: Extract<Packet, { cmd: 'connack' }>): void {
    if (returnCode !== 0) {
      this.#state = 'ended';
      this.#written.push(connack(CONNACK_REASONS[returnCode] ?? REASON.serverUnavailable));
      return;
    }
    this.#state = 'connected';
    const { sessionExpiryS } = this.#asked;
    const { packetBytesMax, unackedMax } = this.#limits;
    const keepAliveS = this.#limits.keepAliveS();
    this.#written.push(
      connack(0, {
        // No session outlives its connection. [MQTT-3.2.2-21] is about the keep alive.
        ...(sessionExpiryS !== 0 && { sessionExpiryInterval: 0 }),
        ...(keepAliveS !== this.#asked.keepAliveS && { serverKeepAlive: keepAliveS }),
        ...(unackedMax !== undefined && { receiveMaximum: unackedMax }),
        maximumQoS: 1,
        retainAvailable: false,
        maximumPacketSize: packetBytesMax,
        topicAliasMaximum: TOPIC_ALIAS_MAX,
        wildcardSubscriptionAvailable: true,
        subscriptionIdentifiersAvailable: false,
        sharedSubscriptionAvailable: false,
      }),
    );
  }

  #answerSuback(messageId: number, granted: readonly number[]): void {
    const filters = this.#asking.get(messageId) ?? [];
    this.#asking.delete(messageId);
    // The broker answers a filter that is there twice once; here each has its answer. [MQTT-3.8.4-6]
    const answers = new Map([...new Set(filters)].map((filter, at) => [filter, granted[at]!]));
    const codes = filters.map((filter) => {
      const code = answers.get(filter)!;
      if (code < 128) {
        this.#filters.add(filter);
        return code;
      }
      if (!this.#filters.has(filter)) this.#withoutRetained.delete(filter);
      return filter.startsWith('$share/') ? REASON.sharedUnsupported : REASON.notAuthorized;
    });
    this.#written.push(mqtt({ cmd: 'suback', messageId, granted: codes }, V5));
  }

  #answerUnsuback(messageId: number): void {
    const filters = this.#asking.get(messageId) ?? [];
    this.#asking.delete(messageId);
    // 0x11: there was none. @see MQTT 5.0 section 3.11.3
    const granted = filters.map((filter) => {
      this.#withoutRetained.delete(filter);
      return this.#filters.delete(filter) ? 0 : 0x11;
    });
    this.#written.push(mqtt({ cmd: 'unsuback', messageId, granted }, V5));
  }
}

function connack(reasonCode: number, properties: object = {}): Buffer {
  return mqtt({ cmd: 'connack', sessionPresent: false, reasonCode, properties }, V5);
}
