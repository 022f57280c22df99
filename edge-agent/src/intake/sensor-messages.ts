/** What becomes of a message that a sensor has published: readings, or a payload that is kept aside. */
import type { Clock } from '../clock/clock.ts';
import type { Arrivals, Done } from './arrivals.ts';
import type { BrokerConfig } from './broker.ts';
import { decode } from './decode.ts';
import { type Route, TopicMap } from './topic-map.ts';

export interface SensorMessage {
  topic: string;
  payload: Uint8Array;
  retain: boolean;
}

export type RouteOfReadings = Exclude<Route, { kind: 'passthrough' }>;

export class SensorMessages {
  #ports: { arrivals: Arrivals; clock: Clock };
  #config: BrokerConfig;
  #topics: TopicMap;

  constructor(ports: { arrivals: Arrivals; clock: Clock }, config: BrokerConfig) {
    this.#ports = ports;
    this.#config = config;
    this.#topics = new TopicMap(config.intake.topics, config.intake.passthrough);
  }

  /** @returns undefined for a message that carries no reading and only goes to local subscribers */
  route({ topic, payload, retain }: SensorMessage): RouteOfReadings | undefined {
    const route = this.#topics.route(topic);
    // An empty retained message is no reading: it clears what is retained. [MQTT-3.3.1-10]
    return route.kind === 'passthrough' || (retain && payload.length === 0) ? undefined : route;
  }

  /**
   * @param done when the message may be acknowledged, or never will be; absent for one that nobody acknowledges
   * @returns whether local subscribers are to hear of it
   */
  take(route: RouteOfReadings, { topic, payload }: SensorMessage, done: Done | undefined): boolean {
    const { arrivals, clock } = this.#ports;
    if (route.kind === 'refused') {
      const detail = `no readings are taken from ${topic}`;
      return this.#refuse({ topic, reason: route.reason, detail }, payload, done);
    }
    const limits = { bytesMax: this.#config.mqtt.packetBytesMax, itemsMax: this.#config.intake.batchItemsMax };
    const now = clock.now();
    const decoded = decode(payload, route, now, limits);
    if ('fault' in decoded) {
      return this.#refuse({ topic, reason: decoded.fault, detail: decoded.detail }, payload, done);
    }
    arrivals.add(decoded.readings, done, now);
    return true;
  }

  /** Acknowledged all the same: MQTT 3.1.1 knows no refusal, and closing makes a sensor send it for ever. */
  #refuse(...refused: Parameters<Arrivals['refuse']>): false {
    this.#ports.arrivals.refuse(...refused);
    return false;
  }
}
