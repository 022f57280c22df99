/**
 * Device shadows, as AWS IoT has them, over the store.
 *
 *     asked by MQTT or HTTP -> limits -> thing (in turn, durable) -> told by MQTT; answered
 *
 * Whoever updates, by MQTT or by HTTP, the device hears of it. @see AWS IoT developer guide, device-shadow-data-flow
 */
import {
  decodeShadowPayload,
  deleteAccepted,
  deltaTold,
  documentsTold,
  getAccepted,
  type JsonObject,
  parseShadowRequest,
  parseTokenRequest,
  SHADOW_LIMITS,
  type ShadowDocument,
  ShadowError,
  type ShadowRequest,
  type ShadowVerb,
  shadowPrefix,
  updateAccepted,
} from '@weir/protocols';
import { RateLimiter } from '../device-api/rate-limit.ts';
import type { Logger } from '../logger.ts';
import type { Store } from '../store/store.ts';
import { removeOutlived, shadowNames } from './kept.ts';
import { type ShadowAsk, type ShadowOutcome, Thing, type ThingLimits } from './thing.ts';

/** `name` undefined: the classic shadow. All but `list` @throws {ShadowError}, {ShadowBusyError} */
export interface Shadows {
  /** Body of `get/accepted`. */
  get(device: string, name: string | undefined): Promise<JsonObject>;
  /** Body of `update/accepted`. */
  update(device: string, name: string | undefined, payload: Uint8Array): Promise<JsonObject>;
  /** Body of `delete/accepted`. */
  delete(device: string, name: string | undefined): Promise<JsonObject>;
  /** Names of named shadows, in order; `next` is the `after` of the next page. */
  list(device: string, page: { limit: number; after?: string }): Promise<{ names: string[]; next?: string }>;
  /** A request by MQTT: answered on `…/accepted` or `…/rejected`; resolves when the answer is on its way. */
  request(device: string, name: string | undefined, verb: ShadowVerb, payload: Uint8Array): Promise<void>;
}

export interface ShadowPorts {
  store: Store;
  /** To the device's subscriptions. */
  publish(topic: string, payload: string): Promise<void>;
  logger: Logger;
  now: () => number;
}

export interface ShadowsLimits extends ThingLimits {
  /** Requests for one device that are not yet answered. */
  inFlightMax: number;
  /** Requests for one device; undefined: as many as it can. */
  perSecond?: number | undefined;
}

/** @see AWS IoT quotas: in-flight, unacknowledged messages per thing. */
const DEFAULTS: ShadowsLimits = { ...SHADOW_LIMITS, inFlightMax: 10, namedMax: 1_000 };
/** Devices remembered by the limit of their rate. */
const RATED_MAX = 10_000;

/** More requests for one device than it may have. @see AWS IoT developer guide, device-shadow-error-messages: code 429 */
export class ShadowBusyError extends Error {
  readonly code = 429;

  constructor() {
    super('Too many requests');
    this.name = 'ShadowBusyError';
  }
}

export function createShadows(ports: ShadowPorts, limits: Partial<ShadowsLimits> = {}): Shadows {
  return new StoredShadows(ports, { ...DEFAULTS, ...limits });
}

class StoredShadows implements Shadows {
  readonly #ports: ShadowPorts;
  readonly #limits: ShadowsLimits;
  readonly #rate: RateLimiter | undefined;
  /** Devices of which what is of no use any more is looked for. */
  readonly #sweeping = new Set<string>();
  /** Devices of which something is asked. */
  readonly #things = new Map<string, { thing: Thing; inFlight: number }>();

  constructor(ports: ShadowPorts, limits: ShadowsLimits) {
    this.#ports = ports;
    this.#limits = limits;
    const { perSecond } = limits;
    if (perSecond !== undefined) {
      this.#rate = new RateLimiter({ burst: perSecond, perMinute: perSecond * 60, callersMax: RATED_MAX });
    }
  }

  async get(device: string, name: string | undefined): Promise<JsonObject> {
    const { document } = await this.#ask(device, { verb: 'get', name });
    return getAccepted(document, this.#seconds());
  }

  async update(device: string, name: string | undefined, payload: Uint8Array): Promise<JsonObject> {
    const request = parseShadowRequest(decodeShadowPayload(payload), this.#limits);
    const { before, after } = await this.#ask(device, { verb: 'update', name, request });
    const accepted = updateAccepted(after, request);
    await this.#tellUpdate(`${shadowPrefix(device, name)}/update`, request, before, after, accepted);
    return accepted;
  }

  delete(device: string, name: string | undefined): Promise<JsonObject> {
    return this.#delete(device, name, {});
  }

  list(device: string, page: { limit: number; after?: string }): Promise<{ names: string[]; next?: string }> {
    return shadowNames(this.#ports.store, device, page);
  }

  async request(device: string, name: string | undefined, verb: ShadowVerb, payload: Uint8Array): Promise<void> {
    const prefix = `${shadowPrefix(device, name)}/${verb}`;
    try {
      if (verb === 'update') {
        await this.update(device, name, payload);
        return;
      }
      const token = parseTokenRequest(decodeShadowPayload(payload));
      if (verb === 'delete') await this.#delete(device, name, token);
      else await this.#publish(`${prefix}/accepted`, { ...(await this.get(device, name)), ...token });
    } catch (error) {
      const { code, message } = refusalOf(error);
      if (code === 500) this.#ports.logger.error({ device, name, error: (error as Error).message }, 'a shadow failed');
      await this.#publish(`${prefix}/rejected`, { code, message, timestamp: this.#seconds(), ...tokenIn(payload) });
    }
  }

  async #delete(device: string, name: string | undefined, token: { clientToken?: string }): Promise<JsonObject> {
    const { tombstone } = await this.#ask(device, { verb: 'delete', name });
    const accepted = deleteAccepted(tombstone);
    await this.#publish(`${shadowPrefix(device, name)}/delete/accepted`, { ...accepted, ...token });
    void this.#sweep(device);
    return accepted;
  }

  /** One at a time: it reads all shadows of the device. */
  async #sweep(device: string): Promise<void> {
    if (this.#sweeping.has(device)) return;
    this.#sweeping.add(device);
    try {
      await removeOutlived(this.#ports.store, device, this.#seconds());
    } catch (error) {
      const { message } = error as Error;
      this.#ports.logger.warn({ device, error: message }, 'shadows deleted long ago could not be forgotten');
    } finally {
      this.#sweeping.delete(device);
    }
  }

  /** Order as in AWS's own implementation: delta, documents, accepted. */
  async #tellUpdate(
    prefix: string,
    { clientToken }: ShadowRequest,
    before: ShadowDocument | undefined,
    after: ShadowDocument,
    accepted: JsonObject,
  ): Promise<void> {
    const token: JsonObject = clientToken === undefined ? {} : { clientToken };
    const delta = deltaTold(after);
    if (delta !== undefined) await this.#publish(`${prefix}/delta`, { ...delta, ...token });
    await this.#publish(`${prefix}/documents`, { ...documentsTold(before, after), ...token });
    await this.#publish(`${prefix}/accepted`, accepted);
  }

  async #publish(topic: string, body: JsonObject): Promise<void> {
    try {
      await this.#ports.publish(topic, JSON.stringify(body));
    } catch (error) {
      // The shadow is kept; the device asks for it again by itself.
      this.#ports.logger.warn({ topic, error: (error as Error).message }, 'an answer could not be published');
    }
  }

  async #ask<A extends ShadowAsk>(device: string, ask: A): Promise<Extract<ShadowOutcome, { verb: A['verb'] }>> {
    const { store, now } = this.#ports;
    if ((this.#rate?.take(device, now()) ?? 0) > 0) throw new ShadowBusyError();
    const known = this.#things.get(device);
    if (known !== undefined && known.inFlight >= this.#limits.inFlightMax) throw new ShadowBusyError();
    const thing = known?.thing ?? new Thing(device, { store, seconds: () => this.#seconds() }, this.#limits);
    const entry = known ?? { thing, inFlight: 0 };
    this.#things.set(device, entry);
    entry.inFlight++;
    try {
      return (await thing.ask(ask)) as Extract<ShadowOutcome, { verb: A['verb'] }>;
    } finally {
      // Before it is told: who has the answer may ask for the next.
      if (--entry.inFlight === 0) this.#things.delete(device);
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

/** A refusal carries the client's token where one can be found. */
function tokenIn(payload: Uint8Array): { clientToken?: string } {
  try {
    return parseTokenRequest(decodeShadowPayload(payload));
  } catch {
    return {};
  }
}
