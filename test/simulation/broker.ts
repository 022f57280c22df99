/** The local broker without MQTT: what sensors publish goes the same way, and is acknowledged by a call. */
import { type Broker, type BrokerConfig, type BrokerPorts, type LocalPublish, SensorMessages } from '@weir/edge-agent';
import type { Life } from './life.ts';

export interface SensorPublish {
  topic: string;
  payload: Uint8Array;
  /** Absent: QoS 0. */
  onAcknowledged?: () => void;
  /** The connection has ended without. */
  onRefused?: () => void;
}

/** From the socket of a sensor to the broker and back, ms. */
const LOCAL_MS = 0.3;

export class SimulatedBroker implements Broker {
  readonly connections = 0;
  readonly #life: Life;
  readonly #messages: SensorMessages;
  readonly #acknowledgesEarly: boolean;
  readonly #onLocal: (message: LocalPublish) => void;
  /** What waits in the sockets while they are not read. */
  #waiting: SensorPublish[] = [];
  #isHeld = true;
  #isQuiet = false;

  /** @param acknowledgesEarly before the commit: what the checkers must find */
  constructor(
    life: Life,
    ports: BrokerPorts,
    config: BrokerConfig,
    { acknowledgesEarly, onLocal }: { acknowledgesEarly: boolean; onLocal: (message: LocalPublish) => void },
  ) {
    this.#life = life;
    this.#messages = new SensorMessages(ports, config);
    this.#acknowledgesEarly = acknowledgesEarly;
    this.#onLocal = onLocal;
  }

  async start(): Promise<number> {
    this.hold(false);
    return 1883;
  }

  quiesce(): void {
    this.#isQuiet = true;
    this.#isHeld = true;
  }

  async stop(): Promise<void> {
    this.#waiting = [];
  }

  hold(held: boolean): void {
    if (this.#isQuiet) return;
    this.#isHeld = held;
    while (!this.#isHeld && this.#waiting.length > 0) this.#take(this.#waiting.shift()!);
  }

  async publish(message: LocalPublish): Promise<void> {
    if (this.#life.act()) this.#onLocal(message);
  }

  /** What a sensor sends. */
  receive(message: SensorPublish): void {
    this.#life.later(LOCAL_MS, () => {
      if (this.#isHeld) this.#waiting.push(message);
      else this.#take(message);
    });
  }

  #take(message: SensorPublish): void {
    const { topic, payload, onAcknowledged, onRefused } = message;
    const packet = { topic, payload, retain: false };
    const route = this.#messages.route(packet);
    const acknowledge = () => {
      if (this.#life.act()) onAcknowledged?.();
    };
    if (route === undefined) {
      acknowledge();
      return;
    }
    if (onAcknowledged === undefined) {
      this.#messages.take(route, packet, undefined);
      return;
    }
    if (this.#acknowledgesEarly) acknowledge();
    this.#messages.take(route, packet, (error) => {
      if (error !== null) onRefused?.();
      else if (!this.#acknowledgesEarly) acknowledge();
    });
  }
}
