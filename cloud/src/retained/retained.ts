/**
 * Retained messages: the last one of a topic, for whoever subscribes to it later. Only what comes by the data plane is
 * retained, never what a device publishes.
 *
 *     table `retained` · partition `retained` · sort the topic · json: qos, lastModifiedTime, userProperties · bytes: payload
 *
 * Which topics have one is in memory: devices subscribe by the thousand, and mostly to topics without.
 */
import type { Item, ItemKey, Store } from '../store/store.ts';

export interface RetainedMessage {
  topic: string;
  payload: Uint8Array;
  qos: 0 | 1;
  /** ms since epoch */
  lastModifiedTime: number;
  /** JSON. */
  userProperties?: string | undefined;
}

export interface RetainedSummary {
  topic: string;
  /** Bytes. */
  payloadSize: number;
  qos: 0 | 1;
  lastModifiedTime: number;
}

export interface RetainedLimits {
  messagesMax: number;
  /** Of all payloads and topics together. */
  bytesMax: number;
}

export interface Retained {
  /** Takes the place of the one before; without a payload it removes it. Durable when it resolves. @throws {RetainedFullError} */
  keep(message: RetainedMessage): Promise<void>;
  get(topic: string): Promise<RetainedMessage | undefined>;
  /** In order of topic; `next` is the `after` of the next page. */
  list(page: { limit: number; after?: string }): Promise<{ summaries: RetainedSummary[]; next?: string }>;
}

export class RetainedFullError extends Error {
  constructor(limit: string) {
    super(`there are too many retained messages: ${limit}`);
    this.name = 'RetainedFullError';
  }
}

const TABLE = 'retained';

export function createRetained(store: Store, limits: RetainedLimits): Retained {
  return new StoredRetained(store, limits);
}

class StoredRetained implements Retained {
  readonly #store: Store;
  readonly #limits: RetainedLimits;
  #index: Promise<Map<string, RetainedSummary>> | undefined;
  #bytes = 0;

  constructor(store: Store, limits: RetainedLimits) {
    this.#store = store;
    this.#limits = limits;
  }

  async keep(message: RetainedMessage): Promise<void> {
    const { topic, payload, qos, lastModifiedTime, userProperties } = message;
    const index = await this.#loaded();
    const before = index.get(topic);
    if (payload.length === 0) {
      if (before === undefined) return;
      this.#note(index, topic, undefined);
      await this.#write([{ remove: keyOf(topic) }]);
      return;
    }
    const summary = { topic, payloadSize: payload.length, qos, lastModifiedTime };
    this.#verifyRoom(index, before, summary);
    // Before the write: messages to one topic are in the index in the order in which they are in the store.
    this.#note(index, topic, summary);
    await this.#write([{ put: keyOf(topic), json: { qos, lastModifiedTime, userProperties }, bytes: payload }]);
  }

  async get(topic: string): Promise<RetainedMessage | undefined> {
    const index = await this.#loaded();
    if (!index.has(topic)) return undefined;
    const item = await this.#store.get(keyOf(topic));
    return item && messageOf(item);
  }

  async list({ limit, after }: { limit: number; after?: string }) {
    const index = await this.#loaded();
    const topics = [...index.keys()].filter((topic) => after === undefined || topic > after).sort();
    const summaries = topics.slice(0, limit).map((topic) => index.get(topic)!);
    return topics.length > limit ? { summaries, next: topics[limit - 1]! } : { summaries };
  }

  #verifyRoom(
    index: ReadonlyMap<string, RetainedSummary>,
    before: RetainedSummary | undefined,
    after: RetainedSummary,
  ): void {
    const { messagesMax, bytesMax } = this.#limits;
    if (before === undefined && index.size >= messagesMax) throw new RetainedFullError(`${messagesMax} messages`);
    const bytes = this.#bytes + bytesOf(after) - (before === undefined ? 0 : bytesOf(before));
    if (bytes > bytesMax) throw new RetainedFullError(`${bytesMax} bytes`);
  }

  #note(index: Map<string, RetainedSummary>, topic: string, summary: RetainedSummary | undefined): void {
    const before = index.get(topic);
    if (before !== undefined) this.#bytes -= bytesOf(before);
    if (summary === undefined) index.delete(topic);
    else {
      index.set(topic, summary);
      this.#bytes += bytesOf(summary);
    }
  }

  async #write(changes: Parameters<Store['write']>[0]): Promise<void> {
    try {
      await this.#store.write(changes);
    } catch (error) {
      // What is in the store is looked at again.
      this.#index = undefined;
      throw error;
    }
  }

  #loaded(): Promise<Map<string, RetainedSummary>> {
    this.#index ??= this.#load().catch((error) => {
      this.#index = undefined;
      throw error;
    });
    return this.#index;
  }

  async #load(): Promise<Map<string, RetainedSummary>> {
    const index = new Map<string, RetainedSummary>();
    let bytes = 0;
    let after: string | undefined;
    do {
      const page = await this.#store.query({ table: TABLE, partition: TABLE, ...(after !== undefined && { after }) });
      for (const item of page.items) {
        const { topic, payload, qos, lastModifiedTime } = messageOf(item);
        const summary = { topic, payloadSize: payload.length, qos, lastModifiedTime };
        index.set(topic, summary);
        bytes += bytesOf(summary);
      }
      after = page.next;
    } while (after !== undefined);
    this.#bytes = bytes;
    return index;
  }
}

function bytesOf({ topic, payloadSize }: RetainedSummary): number {
  return topic.length + payloadSize;
}

function messageOf({ sort, json, bytes }: Item): RetainedMessage {
  const kept = json as Pick<RetainedMessage, 'qos' | 'lastModifiedTime' | 'userProperties'>;
  return { topic: sort, payload: bytes ?? new Uint8Array(), ...kept };
}

function keyOf(topic: string): ItemKey {
  return { table: TABLE, partition: TABLE, sort: topic };
}
