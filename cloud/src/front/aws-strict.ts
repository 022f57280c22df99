/**
 * The limits of AWS IoT Core for one connection, and what becomes of what is over them: so that what is tried out against
 * a hub does not first break on AWS. `docs/guides/move-to-aws.md` has the table.
 *
 *     CONNECT -> every chunk that is read -> every publish -> what is delivered
 *
 * @see AWS IoT message broker and protocol limits and quotas
 */
import { byteLength } from '@weir/protocols';
import { type Packet, type Parser, parser } from 'mqtt-packet';
import type { Clock } from '../clock/clock.ts';
import { RateLimiter } from '../device-api/rate-limit.ts';
import type { PublishRequest } from './acl.ts';
import type { QoS } from './front.ts';

export const AWS_LIMITS = {
  payloadBytesMax: 131_072,
  topicBytesMax: 256,
  topicSlashesMax: 7,
  /** Of one SUBSCRIBE; the ninth ends the connection. */
  filtersPerSubscribeMax: 8,
  subscriptionsMax: 50,
  /** In either direction; what is over it is discarded, and not acknowledged. */
  publishesPerS: 100,
  /** Read from the client; what is over it is read later. */
  bytesPerS: 512 * 1024,
  /** In either direction. */
  unackedMax: 100,
  keepAliveSMin: 30,
  keepAliveSMax: 1_200,
  /** Of one client id. */
  connectsPerS: 1,
  shadowRequestsPerS: 20,
  shadowBytesMax: 8_192,
} as const;

/** Before a topic of Basic Ingest, and not counted with it. */
const INGEST_PREFIX = /^\$aws\/rules\/[^/]+\//;
/** Clients remembered by the limit of their connects. */
const CONNECTING_MAX = 10_000;

/** Over all connections. */
export class StrictConnects {
  readonly #limiter = new RateLimiter({
    burst: AWS_LIMITS.connectsPerS,
    perMinute: AWS_LIMITS.connectsPerS * 60,
    callersMax: CONNECTING_MAX,
  });

  /** @returns why it may not connect */
  faultOf(clientId: string, now: number): string | undefined {
    return this.#limiter.take(clientId, now) === 0 ? undefined : `${clientId} connects more than once a second`;
  }
}

/** Seconds that hold when so many were asked for. */
export function strictKeepAlive(askedS: number): number {
  const { keepAliveSMin, keepAliveSMax } = AWS_LIMITS;
  return askedS === 0 ? keepAliveSMax : Math.min(Math.max(askedS, keepAliveSMin), keepAliveSMax);
}

/** @returns what is wrong with the topic or the filter */
export function topicFault(topic: string): string | undefined {
  const counted = topic.replace(INGEST_PREFIX, '');
  const { topicBytesMax, topicSlashesMax } = AWS_LIMITS;
  if (byteLength(counted) > topicBytesMax) return `a topic has over ${topicBytesMax} bytes`;
  return counted.split('/').length - 1 > topicSlashesMax ? `a topic has over ${topicSlashesMax} slashes` : undefined;
}

export type PublishVerdict = 'take' | 'discard' | { end: string };

export class StrictConnection {
  readonly #clock: Pick<Clock, 'now' | 'sleep'>;
  readonly #parser: Parser;
  readonly #filters = new Set<string>();
  readonly #inbound: Bucket;
  readonly #outbound: Bucket;
  readonly #bytes: Bucket;
  #isWaiting = false;
  #fault: string | undefined;
  #unackedIn = 0;
  readonly #unackedOut = new Set<number>();

  constructor(clock: Pick<Clock, 'now' | 'sleep'>) {
    this.#clock = clock;
    const { publishesPerS, bytesPerS } = AWS_LIMITS;
    this.#inbound = new Bucket(publishesPerS, clock.now());
    this.#outbound = new Bucket(publishesPerS, clock.now());
    this.#bytes = new Bucket(bytesPerS, clock.now());
    this.#parser = parser({ protocolVersion: 4 });
    this.#parser.on('packet', (packet) => this.#look(packet));
    // What is no MQTT the broker finds itself.
    this.#parser.on('error', () => {});
  }

  /** @param resume called when more may be read. @returns whether nothing may be read now */
  holds(resume: () => void): boolean {
    const waitMs = this.#bytes.waitMs(this.#clock.now());
    if (waitMs === 0) return false;
    if (!this.#isWaiting) {
      this.#isWaiting = true;
      void this.#clock.sleep(waitMs).then(() => {
        this.#isWaiting = false;
        resume();
      });
    }
    return true;
  }

  /** What was read. @returns why the connection must end */
  read(chunk: Buffer): string | undefined {
    this.#bytes.spend(chunk.length, this.#clock.now());
    this.#parser.parse(chunk);
    return this.#fault;
  }

  /** To be followed by {@link published} when it is taken. */
  publish({ topic, qos }: PublishRequest, payloadBytes: number): PublishVerdict {
    const { payloadBytesMax, unackedMax } = AWS_LIMITS;
    // AWS answers nothing to QoS 2.
    if (qos > 1) return 'discard';
    if (payloadBytes > payloadBytesMax) return { end: `a payload has over ${payloadBytesMax} bytes` };
    const fault = topicFault(topic);
    if (fault !== undefined) return { end: fault };
    if (qos === 1 && this.#unackedIn >= unackedMax) return 'discard';
    if (!this.#inbound.take(this.#clock.now())) return 'discard';
    if (qos === 1) this.#unackedIn++;
    return 'take';
  }

  /** It is done with. */
  published({ qos }: { qos: number }): void {
    if (qos === 1) this.#unackedIn--;
  }

  /** @returns whether a message may be handed to the client */
  maySend(qos: QoS): boolean {
    if (qos === 1 && this.#unackedOut.size >= AWS_LIMITS.unackedMax) return false;
    return this.#outbound.take(this.#clock.now());
  }

  sent(packetId: number): void {
    this.#unackedOut.add(packetId);
  }

  acknowledged(packetId: number): void {
    this.#unackedOut.delete(packetId);
  }

  #look(packet: Packet): void {
    if (packet.cmd === 'unsubscribe') for (const filter of packet.unsubscriptions) this.#filters.delete(filter);
    if (packet.cmd !== 'subscribe') return;
    const { filtersPerSubscribeMax, subscriptionsMax } = AWS_LIMITS;
    if (packet.subscriptions.length > filtersPerSubscribeMax) {
      this.#fault ??= `a SUBSCRIBE has over ${filtersPerSubscribeMax} filters`;
    }
    for (const { topic } of packet.subscriptions) {
      this.#filters.add(topic);
      this.#fault ??= topicFault(topic);
    }
    if (this.#filters.size > subscriptionsMax) this.#fault ??= `there are over ${subscriptionsMax} subscriptions`;
  }
}

/** So many a second, as many at once. */
class Bucket {
  readonly #perS: number;
  #left: number;
  #at: number;

  constructor(perS: number, now: number) {
    this.#perS = perS;
    this.#left = perS;
    this.#at = now;
  }

  take(now: number): boolean {
    this.#fill(now);
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  /** Also more than there is: then it must be waited for. */
  spend(amount: number, now: number): void {
    this.#fill(now);
    this.#left -= amount;
  }

  waitMs(now: number): number {
    this.#fill(now);
    return this.#left >= 0 ? 0 : Math.ceil((-this.#left / this.#perS) * 1_000);
  }

  #fill(now: number): void {
    this.#left = Math.min(this.#perS, this.#left + (Math.max(0, now - this.#at) / 1_000) * this.#perS);
    this.#at = now;
  }
}
