/**
 * Publishes readings over MQTT, QoS 1, as a careful sensor does: what the broker has not acknowledged is kept and sent
 * again after a reconnect. A reading whose acknowledgement was lost on the way is therefore sent twice.
 *
 *     connecting --CONNACK--> connected --close--> waiting --backoff--> connecting
 *
 * Each connection is a new mqtt.js client: its own store loses messages when a link breaks while it is replayed.
 * @see https://github.com/mqttjs/MQTT.js/issues/2015
 */
import type { Reading } from '@weir/protocols';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';

export interface Broker {
  host: string;
  port: number;
  username?: string;
  password?: string;
}

export type PublisherEvent =
  | { event: 'connected' }
  | { event: 'disconnected'; reason: string }
  /** The broker will not have us, whatever we do: wrong user name or password. */
  | { event: 'refused'; reason: string };

/** Readings that may wait for an acknowledgement; then `publish` waits. */
const WINDOW = 500;
const BACKOFF_MS_FIRST = 250;
const BACKOFF_MS_MAX = 5_000;
/** CONNACK return codes: bad user name or password, not authorized. @see MQTT 3.1.1 table 3.1 */
const REFUSED_FOR_GOOD = new Set([4, 5]);

interface Message {
  topic: string;
  payload: string;
}

export class Publisher {
  readonly #broker: Broker;
  readonly #onEvent: (event: PublisherEvent) => void;
  #client: MqttClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #state: 'idle' | 'connecting' | 'connected' | 'waiting' | 'stopped' = 'idle';
  #released = false;
  #attempts = 0;
  #reason = 'the connection was closed';
  /** In the order in which they were published; those in flight and those that wait for a link. */
  readonly #unacknowledged = new Set<Message>();
  #changed = Promise.withResolvers<void>();
  published = 0;
  acknowledged = 0;
  connections = 0;

  constructor(broker: Broker, onEvent: (event: PublisherEvent) => void = () => {}) {
    this.#broker = broker;
    this.#onEvent = onEvent;
  }

  get unacknowledged(): number {
    return this.#unacknowledged.size;
  }

  start(): void {
    if (this.#state === 'idle') this.#connect();
  }

  /** Resolves when the message is on its way or waits for a link; the window bounds how many may. */
  async publish(reading: Reading): Promise<void> {
    while (this.#unacknowledged.size >= WINDOW && !this.#released) await this.#changed.promise;
    if (this.#released) return;
    const { sensor, metric, ...rest } = reading;
    const message = { topic: `plant/${sensor}/${metric}`, payload: JSON.stringify(rest) };
    this.#unacknowledged.add(message);
    this.published++;
    if (this.#state === 'connected') this.#send(message);
  }

  /** Resolves when all is acknowledged, or at the deadline. */
  async settled(deadlineMs: number): Promise<void> {
    const deadline = Promise.withResolvers<'deadline'>();
    const timer = setTimeout(() => deadline.resolve('deadline'), deadlineMs);
    while (this.#unacknowledged.size > 0 && this.#state !== 'stopped') {
      if ((await Promise.race([this.#changed.promise, deadline.promise])) === 'deadline') break;
    }
    clearTimeout(timer);
  }

  /** Nothing more will be published: lets a `publish` go that waits for the window. */
  release(): void {
    this.#released = true;
    this.#notify();
  }

  stop(): void {
    this.#state = 'stopped';
    this.#released = true;
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = undefined;
    // DISCONNECT, unless the link is gone already.
    client?.end(!client.connected);
    this.#notify();
  }

  #connect(): void {
    this.#state = 'connecting';
    const { host, port, username, password } = this.#broker;
    const options: IClientOptions = {
      host,
      port,
      protocol: 'mqtt',
      clientId: `weir-devices-${crypto.randomUUID().slice(0, 8)}`,
      clean: true,
      reconnectPeriod: 0,
      connectTimeout: 5_000,
      keepalive: 15,
      queueQoSZero: false,
    };
    if (username !== undefined) options.username = username;
    if (password !== undefined) options.password = password;
    const client = connect(options);
    this.#client = client;
    client.on('connect', () => this.#connected(client));
    client.on('error', (error) => this.#failed(client, error as Error & { code?: number | string }));
    client.on('close', () => this.#closed(client));
  }

  #connected(client: MqttClient): void {
    if (client !== this.#client) return;
    this.#state = 'connected';
    this.connections++;
    this.#onEvent({ event: 'connected' });
    for (const message of this.#unacknowledged) this.#send(message);
  }

  #send(message: Message): void {
    const client = this.#client;
    client?.publish(message.topic, message.payload, { qos: 1 }, (error) => {
      // An error is a link that broke: the message stays, and goes out over the next one.
      if (error || client !== this.#client || !this.#unacknowledged.delete(message)) return;
      this.acknowledged++;
      // Not at CONNACK: a broker that takes the connection and drops it is not to be hammered.
      this.#attempts = 0;
      this.#notify();
    });
  }

  #failed(client: MqttClient, error: Error & { code?: number | string }): void {
    if (client !== this.#client) return;
    this.#reason = error.message || String(error.code);
    if (typeof error.code !== 'number' || !REFUSED_FOR_GOOD.has(error.code)) return;
    this.stop();
    this.#onEvent({ event: 'refused', reason: this.#reason });
  }

  #closed(client: MqttClient): void {
    if (client !== this.#client || this.#state === 'stopped') return;
    this.#client = undefined;
    client.end(true);
    this.#state = 'waiting';
    this.#onEvent({ event: 'disconnected', reason: this.#reason });
    this.#reason = 'the connection was closed';
    const ceilingMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_FIRST * 2 ** this.#attempts++);
    this.#timer = setTimeout(() => this.#connect(), Math.random() * ceilingMs);
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
