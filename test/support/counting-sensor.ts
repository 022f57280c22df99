import { connect, type MqttClient } from 'mqtt';

export interface SensorOptions {
  /** Published as `plant/<name>/n`. */
  name: string;
  /** Asked at each connection: the broker may have been started again. */
  at: () => { port: number; password: string };
  perSecond: number;
  /** Unacknowledged at a time; over it the sensor waits. */
  inFlightMax: number;
}

const PACE_MS = 20;
const RECONNECT_MS = 50;
/** Without an acknowledgement for so long it connects anew. */
const PATIENCE_MS = 8_000;

/**
 * A sensor that counts: each number is sent once and never again, so a number in the store twice is a duplicate of
 * ours, and one that was acknowledged and is not in the store is lost. What was not acknowledged when the connection
 * goes is given up.
 */
export class CountingSensor {
  readonly name: string;
  readonly acknowledged = new Set<number>();
  sent = 0;
  #options: SensorOptions;
  #client: MqttClient | undefined;
  #stopped = false;
  #running: Promise<void> | undefined;

  constructor(options: SensorOptions) {
    this.name = options.name;
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#client?.end(true);
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#connection();
      await sleep(RECONNECT_MS);
    }
  }

  /** From the connect to the end of one connection. */
  async #connection(): Promise<void> {
    const { port, password } = this.#options.at();
    const client = connect(`mqtt://127.0.0.1:${port}`, {
      username: 'sensor',
      password,
      reconnectPeriod: 0,
      connectTimeout: 2_000,
    });
    this.#client = client;
    client.on('error', () => {});
    let pace: NodeJS.Timeout | undefined;
    client.on('connect', () => {
      pace = setInterval(this.#pacer(client), PACE_MS);
    });
    await new Promise<void>((resolve) => client.once('close', () => resolve()));
    clearInterval(pace);
    client.end(true);
  }

  #pacer(client: MqttClient): () => void {
    const { name, perSecond, inFlightMax } = this.#options;
    let inFlight = 0;
    let due = 0;
    let heardAt = performance.now();
    return () => {
      if (performance.now() - heardAt > PATIENCE_MS) client.end(true);
      due = Math.min(due + (perSecond * PACE_MS) / 1_000, perSecond);
      for (; due >= 1 && inFlight < inFlightMax && client.connected && !this.#stopped; due--) {
        const number = this.sent++;
        inFlight++;
        client.publish(`plant/${name}/n`, `${number}`, { qos: 1 }, (error) => {
          inFlight--;
          heardAt = performance.now();
          if (!error) this.acknowledged.add(number);
        });
      }
    };
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
