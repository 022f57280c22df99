/**
 * Sensors that publish at a steady rate, and somebody who asks the hub for their newest readings all the time: how long
 * a reading takes from its publish until whoever asks the hub gets it.
 */
import { Agent, get } from 'node:http';
import { connect, type MqttClient } from 'mqtt';

export interface LiveProbeOptions {
  mqttPort: number;
  password: string;
  readingsPerS: number;
  /** Of the hub's API, the newest readings of the device. */
  latest: { url: string; apiKey: string };
}

interface Published {
  at: number;
  storedAt: number | undefined;
}

const SENSORS = 20;
const ROUND_MS = 10;
/** Between an answer and the next question: the hub must not be busy with answering. */
const ASK_MS = 4;
export const LIVE_METRIC = 'n';
export const liveSensor = (at: number) => `live${at}`;

export class LiveProbe {
  readonly #options: LiveProbeOptions;
  readonly #client: MqttClient;
  readonly #http = new Agent({ keepAlive: true, maxSockets: 1 });
  /** By number; a reading's value is its number. */
  readonly #published: Published[] = [];
  readonly #confirmed = new Array<number>(SENSORS).fill(-1);
  #acknowledged = 0;
  #publishing: NodeJS.Timeout | undefined;
  #asking: Promise<void> | undefined;
  #stopped = false;

  private constructor(options: LiveProbeOptions, client: MqttClient) {
    this.#options = options;
    this.#client = client;
  }

  static async start(options: LiveProbeOptions): Promise<LiveProbe> {
    const { mqttPort, password } = options;
    const client = connect(`mqtt://127.0.0.1:${mqttPort}`, { username: 'sensor', password, reconnectPeriod: 0 });
    await new Promise<void>((resolve, reject) => client.once('connect', () => resolve()).once('error', reject));
    return new LiveProbe(options, client);
  }

  /** Readings published, each with another number as its value. */
  get published(): number {
    return this.#published.length;
  }

  publish(readingsPerS = this.#options.readingsPerS): void {
    const startedAt = performance.now();
    const before = this.published;
    this.#publishing = setInterval(() => {
      const due = before + Math.floor(((performance.now() - startedAt) * readingsPerS) / 1_000);
      while (this.published < due) this.#publishOne();
    }, ROUND_MS);
  }

  /** Ends publishing; resolves when the agent has acknowledged everything. */
  async pause(): Promise<void> {
    clearInterval(this.#publishing);
    while (this.#acknowledged < this.published) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  ask(): void {
    this.#stopped = false;
    this.#asking = this.#ask();
  }

  async stopAsking(): Promise<void> {
    this.#stopped = true;
    await this.#asking;
  }

  /** Of the readings with numbers from `from` to before `to`, that are stored, in order. */
  latenciesMs(from: number, to = this.published): number[] {
    return this.#published
      .slice(from, to)
      .flatMap(({ at, storedAt }) => (storedAt === undefined ? [] : [storedAt - at]))
      .sort((a, b) => a - b);
  }

  close(): void {
    clearInterval(this.#publishing);
    this.#client.end(true);
    this.#http.destroy();
  }

  #publishOne(): void {
    const number = this.published;
    this.#published.push({ at: performance.now(), storedAt: undefined });
    const topic = `plant/${liveSensor(number % SENSORS)}/${LIVE_METRIC}`;
    const payload = JSON.stringify({ value: number, ts: Date.now() });
    this.#client.publish(topic, payload, { qos: 1 }, (error) => {
      if (!error) this.#acknowledged++;
    });
  }

  async #ask(): Promise<void> {
    while (!this.#stopped) {
      const latest = await this.#latest();
      const now = performance.now();
      for (const { sensor, value } of latest) {
        const at = Number(/^live(\d+)$/.exec(sensor)?.[1] ?? -1);
        if (at >= 0) this.#confirm(at, value, now);
      }
      await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    }
  }

  /** What a sensor published before its newest reading is stored as well. */
  #confirm(sensor: number, number: number, now: number): void {
    const before = this.#confirmed[sensor]!;
    for (let at = before < 0 ? sensor : before + SENSORS; at <= number; at += SENSORS) {
      this.#published[at]!.storedAt ??= now;
    }
    this.#confirmed[sensor] = Math.max(before, number);
  }

  #latest(): Promise<{ sensor: string; value: number }[]> {
    const { url, apiKey } = this.#options.latest;
    return new Promise((resolve, reject) => {
      get(url, { agent: this.#http, headers: { authorization: `Bearer ${apiKey}` } }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => {
          if (response.statusCode !== 200) reject(new Error(`${url}: ${response.statusCode} ${text}`));
          else resolve((JSON.parse(text) as { items: { sensor: string; value: number }[] }).items);
        });
      }).on('error', reject);
    });
  }
}
