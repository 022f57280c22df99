import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { Downlink } from '../downlink/downlink.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Notifier } from '../notify/notify.ts';
import type { Store } from '../store/store.ts';
import type { HubEvents } from './events.ts';

export interface OperatorApiOptions {
  store: Store;
  fleet: Fleet;
  notifier: Notifier;
  downlink: Downlink;
  events: HubEvents;
  apiKey: string;
  /** SHA-256 of the CA certificate's DER, base64url: goes into join tokens. */
  caSha256: string;
  /** Where devices join, e.g. `https://127.0.0.1:8443`; asked for each token, so that ephemeral ports are known. */
  joinUrl: () => string;
  now: () => number;
  /** Host names under which the API may be asked for; a request with another `Host` header is refused. */
  hosts: readonly string[];
  /** Further metrics of the hub. */
  registry?: Registry;
}

/** Registers the operator API under /api/v1. */
export async function registerOperatorApi(_app: FastifyInstance, _options: OperatorApiOptions): Promise<void> {
  throw new Error('written next');
}
