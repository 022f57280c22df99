/**
 * Device shadows over the store.
 *
 *     table `shadow` · partition device · sort the shadow's name, `.` for the classic one · json: ShadowDocument
 *
 * Whoever updates, by MQTT or by HTTP, the device hears of it. @see AWS IoT developer guide, device-shadow-data-flow
 */
import {
  getAccepted,
  type Json,
  type JsonObject,
  parseShadowRequest,
  parseTokenRequest,
  SHADOW_LIMITS,
  type ShadowDocument,
  ShadowError,
  type ShadowLimits,
  type ShadowRequest,
  shadowDelta,
  shadowPrefix,
  updateAccepted,
  updateShadow,
} from '@weir/protocols';
import type { Logger } from '../logger.ts';
import { type Item, type ItemKey, type Store, StoreError } from '../store/store.ts';

export interface Shadows {
  /** Body of `get/accepted`. @throws {ShadowError} 404 */
  get(device: string, name: string | undefined): Promise<JsonObject>;
  /** Body of `update/accepted`. @throws {ShadowError}, {ShadowBusyError} */
  update(device: string, name: string | undefined, payload: Uint8Array): Promise<JsonObject>;
  /** A request by MQTT: answered on `…/accepted` or `…/rejected`; resolves when the answer is on its way. */
  request(device: string, name: string | undefined, verb: 'get' | 'update', payload: Uint8Array): Promise<void>;
}

export interface ShadowPorts {
  store: Store;
  /** To the device's subscriptions. */
  publish(topic: string, payload: string): Promise<void>;
  logger: Logger;
  now: () => number;
}

/** More than {@link IN_FLIGHT_MAX} requests for one device at a time. @see AWS IoT quotas: code 429 */
export class ShadowBusyError extends Error {
  readonly code = 429;

  constructor() {
    super('Too many requests');
    this.name = 'ShadowBusyError';
  }
}

const TABLE = 'shadow';
const CLASSIC = '.';
/** @see AWS IoT quotas: in-flight, unacknowledged messages per thing */
const IN_FLIGHT_MAX = 10;
/** Another process may write the same shadow; it does not do so without end. */
const ATTEMPTS_MAX = 8;

export function createShadows(ports: ShadowPorts, limits: ShadowLimits = SHADOW_LIMITS): Shadows {
  return new StoredShadows(ports, limits);
}

class StoredShadows implements Shadows {
  #ports: ShadowPorts;
  #limits: ShadowLimits;
  /** Requests under way by device; each waits for the one before it, so that they rarely conflict. */
  #turns = new Map<string, { last: Promise<unknown>; count: number }>();

  constructor(ports: ShadowPorts, limits: ShadowLimits) {
    this.#ports = ports;
    this.#limits = limits;
  }

  get(device: string, name: string | undefined): Promise<JsonObject> {
    return this.#inTurn(device, async () => {
      const document = (await this.#read(device, name))?.document;
      if (document !== undefined) return getAccepted(document, this.#seconds());
      throw new ShadowError(404, `No shadow exists with name: '${name ?? device}'`);
    });
  }

  update(device: string, name: string | undefined, payload: Uint8Array): Promise<JsonObject> {
    return this.#inTurn(device, async () => {
      const request = parseShadowRequest(decodeText(payload), this.#limits);
      const { before, after } = await this.#write(device, name, request);
      const accepted = updateAccepted(after, request);
      await this.#tell(device, name, request, before, after, accepted);
      return accepted;
    });
  }

  async request(device: string, name: string | undefined, verb: 'get' | 'update', payload: Uint8Array): Promise<void> {
    const prefix = `${shadowPrefix(device, name)}/${verb}`;
    try {
      if (verb === 'update') {
        await this.update(device, name, payload);
        return;
      }
      const token = parseTokenRequest(decodeText(payload));
      const document = await this.get(device, name);
      await this.#publish(`${prefix}/accepted`, { ...document, ...token });
    } catch (error) {
      const { code, message } = refusalOf(error);
      if (code === 500) this.#ports.logger.error({ device, name, error: (error as Error).message }, 'a shadow failed');
      const body: JsonObject = { code, message, timestamp: this.#seconds() };
      const token = clientTokenIn(payload);
      if (token !== undefined) body.clientToken = token;
      await this.#publish(`${prefix}/rejected`, body);
    }
  }

  /** Order as in AWS's own implementation: delta, documents, accepted. */
  async #tell(
    device: string,
    name: string | undefined,
    request: ShadowRequest,
    before: ShadowDocument | undefined,
    after: ShadowDocument,
    accepted: JsonObject,
  ): Promise<void> {
    const prefix = `${shadowPrefix(device, name)}/update`;
    const { version, timestamp } = after;
    const token: JsonObject = request.clientToken === undefined ? {} : { clientToken: request.clientToken };
    const delta = shadowDelta(after);
    if (delta !== undefined) await this.#publish(`${prefix}/delta`, { version, timestamp, ...delta, ...token });
    const previous = before === undefined ? null : snapshot(before);
    await this.#publish(`${prefix}/documents`, { previous, current: snapshot(after), timestamp, ...token });
    await this.#publish(`${prefix}/accepted`, accepted);
  }

  async #write(device: string, name: string | undefined, request: ShadowRequest) {
    for (let attempt = 1; ; attempt++) {
      const found = await this.#read(device, name);
      const after = updateShadow(found?.document, request, this.#seconds(), this.#limits);
      const ifVersion = found?.item.version ?? 0;
      try {
        await this.#ports.store.write([{ put: keyOf(device, name), json: after, ifVersion }]);
        return { before: found?.document, after };
      } catch (error) {
        const again = error instanceof StoreError && error.code === 'conflict' && attempt < ATTEMPTS_MAX;
        if (!again) throw error;
      }
    }
  }

  async #read(device: string, name: string | undefined): Promise<{ item: Item; document: ShadowDocument } | undefined> {
    const item = await this.#ports.store.get(keyOf(device, name));
    return item === undefined ? undefined : { item, document: item.json as ShadowDocument };
  }

  async #publish(topic: string, body: JsonObject): Promise<void> {
    try {
      await this.#ports.publish(topic, JSON.stringify(body));
    } catch (error) {
      // The shadow is kept; the device asks for it again by itself.
      this.#ports.logger.warn({ topic, error: (error as Error).message }, 'an answer could not be published');
    }
  }

  async #inTurn<T>(device: string, action: () => Promise<T>): Promise<T> {
    const turn = this.#turns.get(device) ?? { last: Promise.resolve(), count: 0 };
    if (turn.count >= IN_FLIGHT_MAX) throw new ShadowBusyError();
    this.#turns.set(device, turn);
    turn.count++;
    const mine = turn.last.then(action, action);
    turn.last = mine;
    try {
      return await mine;
    } finally {
      if (--turn.count === 0) this.#turns.delete(device);
    }
  }

  #seconds(): number {
    return Math.floor(this.#ports.now() / 1000);
  }
}

/** What a failed request is told, in AWS's words. */
export function refusalOf(error: unknown): { code: number; message: string } {
  if (error instanceof ShadowError || error instanceof ShadowBusyError) {
    return { code: error.code, message: error.message };
  }
  return { code: 500, message: 'Internal service failure' };
}

function keyOf(device: string, name: string | undefined): ItemKey {
  return { table: TABLE, partition: device, sort: name ?? CLASSIC };
}

function snapshot({ state, metadata, version }: ShadowDocument): JsonObject {
  return { state: { ...state } as JsonObject, metadata: { ...metadata } as JsonObject, version };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decodeText(payload: Uint8Array): string {
  try {
    return utf8.decode(payload);
  } catch {
    throw new ShadowError(400, 'Invalid JSON');
  }
}

/** A refusal carries the client's token where one can be found. */
function clientTokenIn(payload: Uint8Array): string | undefined {
  try {
    const body = JSON.parse(new TextDecoder().decode(payload)) as { [key: string]: Json } | null;
    const token = body?.clientToken;
    return typeof token === 'string' && token.length <= 64 ? token : undefined;
  } catch {
    return undefined;
  }
}
