/**
 * Messages that functions in the cloud send to devices: kept with the commit that caused them, carried afterwards,
 * at least once.
 *
 *     table `publish` · partition <log partition> · sort <device>/<id> · json: { topic, payload, qos, retain }
 *
 * Those of one function go in the order in which it sent them, for the last one says how things shall be.
 *
 * Over a limit those that are new are dropped and counted: a downlink that is down must not fill the disk.
 */
import type { Publish } from '@weir/runtime';
import type { Clock } from '../clock/clock.ts';
import { type Downlink, DownlinkError } from '../downlink/downlink.ts';
import type { Logger } from '../logger.ts';
import type { Change, Item, ItemKey, Store } from '../store/store.ts';

export interface PublishPorts {
  store: Store;
  downlink: Downlink;
  logger: Logger;
  clock: Clock;
}

const TABLE = 'publish';
const RETRY_MS = 2_000;
const PAGE = 50;
/** Of the largest integer. */
const NUMBER_DIGITS = 16;
/** Of one partition; hours of messages that people cause, a minute of a function that sends one for each reading. */
export const PUBLISHES_MAX = 5_000;

export function publishChange(partition: number, device: string, { id, topic, payload, qos, retain }: Publish): Change {
  return { put: keyOf(partition, `${device}/${sortable(id)}`), json: { topic, payload, qos, retain } };
}

/** Ids count inputs of a function, and messages of an input: 10 is to stand behind 9. */
function sortable(id: string): string {
  return id.replace(/(?<=:)\d+(?=:|$)/g, (digits) => digits.padStart(NUMBER_DIGITS, '0'));
}

/** Carries the messages of one partition, in order of their keys; one that is refused is dropped and told. */
export class PublishCarrier {
  #partition: number;
  #ports: PublishPorts;
  #running: Promise<void> | undefined;
  #again = false;
  #stopping = new AbortController();
  /** Messages that wait, as far as is known. */
  #waiting = 0;

  constructor(partition: number, ports: PublishPorts) {
    this.#partition = partition;
    this.#ports = ports;
  }

  /** Counts what waits; to be called before anything is admitted, and whenever a commit failed. */
  async load(): Promise<void> {
    let waiting = 0;
    let after: string | undefined;
    do {
      const query = { table: TABLE, partition: `${this.#partition}`, limit: PAGE };
      const page = await this.#ports.store.query(after === undefined ? query : { ...query, after });
      waiting += page.items.length;
      after = page.next;
    } while (after !== undefined);
    this.#waiting = waiting;
  }

  /** @returns those for which there is room, the first of them */
  admit<T>(publishes: readonly T[]): T[] {
    const admitted = publishes.slice(0, Math.max(0, PUBLISHES_MAX - this.#waiting));
    this.#waiting += admitted.length;
    return admitted;
  }

  /** To be called after a commit with messages, and at the start. */
  wake(): void {
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#again && !this.#stopping.signal.aborted) this.wake();
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopping.signal.aborted) {
      this.#again = false;
      try {
        await this.#carryAll();
      } catch (error) {
        this.#again = true;
        this.#ports.logger.warn({ error: (error as Error).message }, 'messages to devices wait for the downlink');
        await this.#ports.clock.sleep(RETRY_MS, this.#stopping.signal);
      }
    }
  }

  async #carryAll(): Promise<void> {
    const { store } = this.#ports;
    for (;;) {
      const { items } = await store.query({ table: TABLE, partition: `${this.#partition}`, limit: PAGE });
      if (items.length === 0) return;
      for (const item of items) {
        if (this.#stopping.signal.aborted) return;
        await this.#carry(item);
        await store.write([{ remove: keyOf(this.#partition, item.sort) }]);
        this.#waiting = Math.max(0, this.#waiting - 1);
      }
    }
  }

  async #carry({ sort, json }: Item): Promise<void> {
    const { topic, payload, qos, retain } = json as Publish;
    try {
      await this.#ports.downlink.publish(topic, new TextEncoder().encode(payload), { qos, retain });
    } catch (error) {
      if (!(error instanceof DownlinkError) || error.retryable) throw error;
      this.#ports.logger.error(
        { message: sort, topic, error: error.message },
        'a message to a device was refused and is dropped',
      );
    }
  }
}

function keyOf(partition: number, sort: string): ItemKey {
  return { table: TABLE, partition: `${partition}`, sort };
}
