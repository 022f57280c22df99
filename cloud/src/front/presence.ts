/**
 * Tells the log when devices come and go, so that functions in the cloud learn of it in order with the readings.
 *
 *     came, left -> the newest of each device -> log, again until it is durable
 *
 * Each connection is a session; the end of a session counts only while no other has followed it. A front that ends,
 * by intent or not, tells nothing: the front after it waits for the devices to come back, and then tells the end of
 * the sessions of before.
 */
import type { Clock } from '../clock/clock.ts';
import type { Log } from '../log/log.ts';
import { encodePresence, type PresenceRecord, type Session } from '../log/presence-record.ts';
import type { Logger } from '../logger.ts';

export type OnlineDevices = () => AsyncIterable<{ device: string; session: Session }>;

export interface PresencePorts {
  log: Log;
  online: OnlineDevices;
  isConnected(device: string): boolean;
  logger: Logger;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
}

const RETRY_MS = 1_000;
/** What workers had not worked off when it was looked at first is found then. */
const LOOK_AGAIN_MS = 3_600_000;

export class PresenceTeller {
  readonly #ports: PresencePorts;
  readonly #returnMs: number;
  /** Of this front, and of no other. */
  readonly #life: string;
  #sessions = 0;
  /** By device: its connection. */
  readonly #session = new Map<string, Session>();
  /** By device: what the log does not have yet. */
  readonly #untold = new Map<string, PresenceRecord>();
  readonly #telling = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();

  /** @param returnMs how long devices of the front before this one have to come back */
  constructor(ports: PresencePorts, returnMs: number) {
    this.#ports = ports;
    this.#returnMs = returnMs;
    this.#life = Buffer.from(ports.random(8)).toString('hex');
  }

  start(): void {
    void this.#endSessionsOfBefore();
  }

  /** Nothing is told from here on: devices come back to the front that follows. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#telling.values());
  }

  came(device: string): void {
    const session = { front: this.#life, number: ++this.#sessions };
    this.#session.set(device, session);
    this.#tell(device, { online: true, session });
  }

  left(device: string): void {
    const session = this.#session.get(device);
    this.#session.delete(device);
    if (session !== undefined) this.#tell(device, { online: false, session });
  }

  #tell(device: string, presence: PresenceRecord): void {
    if (this.#stopping.signal.aborted) return;
    this.#untold.set(device, presence);
    if (!this.#telling.has(device)) this.#telling.set(device, this.#tellNewest(device));
  }

  /** Called without a turn in between when nothing is under way: what comes from the device next stands behind it. */
  async #tellNewest(device: string): Promise<void> {
    const { log, clock, logger } = this.#ports;
    const { signal } = this.#stopping;
    for (;;) {
      const presence = this.#untold.get(device);
      if (presence === undefined) {
        this.#telling.delete(device);
        return;
      }
      try {
        const payload = encodePresence(presence);
        await log.append([{ device, lane: 'presence', payload, receivedAt: clock.now() }]);
        if (this.#untold.get(device) === presence) this.#untold.delete(device);
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ device, error: (error as Error).message }, 'presence is not durable; it is told again');
        await clock.sleep(RETRY_MS, signal);
      }
      if (signal.aborted) return;
    }
  }

  async #endSessionsOfBefore(): Promise<void> {
    const { clock, logger } = this.#ports;
    const { signal } = this.#stopping;
    for (let waitMs = this.#returnMs; ; ) {
      await clock.sleep(waitMs, signal);
      if (signal.aborted) return;
      waitMs = LOOK_AGAIN_MS;
      try {
        if (!(await this.#tellGone())) waitMs = RETRY_MS;
      } catch (error) {
        logger.error({ error: (error as Error).message }, 'devices that did not come back could not be looked for');
      }
    }
  }

  /** @returns false: of some something newer waits to be told; after that it is known whether they are still there */
  async #tellGone(): Promise<boolean> {
    const { online, isConnected } = this.#ports;
    let isWhole = true;
    for await (const { device, session } of online()) {
      if (this.#stopping.signal.aborted) return true;
      if (session.front === this.#life || isConnected(device)) continue;
      if (this.#untold.has(device)) isWhole = false;
      else this.#tell(device, { online: false, session });
    }
    return isWhole;
  }
}
