/** Carries out the publishes of functions: at least once, in order, after they were committed. */
import type { Publish } from '@weir/runtime';
import type { Clock } from '../clock/clock.ts';
import type { Spool } from '../spool/spool.ts';

export interface PublisherPorts {
  spool: Spool;
  clock: Clock;
  /** To local subscribers. */
  publish: (message: Publish) => Promise<void>;
  onFailure: (what: string, error: Error) => void;
}

const RETRY_MS = 1_000;
/** Publishes carried out before they are taken off the list. */
const ROUND_MAX = 100;

export class Publisher {
  #ports: PublisherPorts;
  #waiting: Publish[] = [];
  #waitingMax: number;
  #running: Promise<void> | undefined;
  #started = false;
  #stopped = false;

  /** @param waitingMax the database keeps no more either */
  constructor(ports: PublisherPorts, waitingMax: number) {
    this.#ports = ports;
    this.#waitingMax = waitingMax;
  }

  /**
   * There is a broker now: before, it would refuse what is published, for ever.
   * @param kept what the run before has left; it comes before all that was committed since
   */
  start(kept: readonly Publish[]): void {
    this.#started = true;
    this.#waiting.unshift(...kept);
    this.#bound();
    this.#wake();
  }

  add(publishes: readonly Publish[]): void {
    if (publishes.length === 0) return;
    this.#waiting.push(...publishes);
    this.#bound();
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  #bound(): void {
    if (this.#waiting.length > this.#waitingMax) this.#waiting.splice(0, this.#waiting.length - this.#waitingMax);
  }

  #wake(): void {
    if (!this.#started || this.#stopped || this.#waiting.length === 0) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      // What came since the last look at the list found it running.
      this.#wake();
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#stopped) {
      const round = this.#waiting.slice(0, ROUND_MAX);
      // What the broker refuses now it refuses always, e.g. a topic with too many levels.
      for (const message of round)
        await this.#ports.publish(message).catch((error) => this.#fail(message.topic, error));
      try {
        await this.#ports.spool.call(
          'publishesDone',
          round.map(({ id }) => id),
        );
        this.#waiting = this.#waiting.filter((message) => !round.includes(message));
      } catch (error) {
        this.#ports.onFailure('the list of publishes cannot be kept', error as Error);
        await new Promise<void>((resolve) => this.#ports.clock.after(RETRY_MS, resolve));
      }
    }
  }

  #fail(topic: string, error: Error): void {
    this.#ports.onFailure(`a function's message to ${topic} was refused by the local broker`, error);
  }
}
