import type { SigningKey } from '@weir/runtime';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Access, Principal } from '../../access/access.ts';
import type { RequestLimits } from '../../access/request-limits.ts';
import type { Alerts } from '../../alerts/alerts.ts';
import type { Audit } from '../../audit/audit.ts';
import type { Commands } from '../../commands/commands.ts';
import type { Conditions } from '../../condition/condition.ts';
import type { DeadLetters } from '../../dead-letters/dead-letters.ts';
import type { Downlink } from '../../downlink/downlink.ts';
import type { Fleet } from '../../fleet/fleet.ts';
import type { Connections } from '../../front/front.ts';
import type { Gaps } from '../../gaps/gaps.ts';
import type { Logs } from '../../logs/logs.ts';
import type { Metric } from '../../metrics/metric.ts';
import type { Notifier } from '../../notify/notify.ts';
import type { Secrets } from '../../secrets/secrets.ts';
import type { Store } from '../../store/store.ts';
import type { HubEvents } from '../events.ts';

/** The part of fastify on which routes are registered: their types come from their schemas. */
export type Routes = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; absent on routes that are open. */
    principal?: Principal;
  }
}

export interface OperatorApiOptions {
  store: Store;
  fleet: Fleet;
  alerts: Alerts;
  notifier: Notifier;
  commands: Commands;
  deadLetters: DeadLetters;
  conditions: Conditions;
  gaps: Gaps;
  logs: Logs;
  secrets: Secrets;
  downlink: Downlink;
  events: HubEvents;
  /** The connection of a device, or its last one of the last half hour. */
  connectionOf: Connections['get'];
  access: Access;
  limits: RequestLimits;
  audit: Audit;
  /** By which the hub signs what devices are to run: the root file has to name it. */
  hubKey: Pick<SigningKey, 'keyid' | 'public'>;
  /** SHA-256 of the CA certificate's DER, base64url: goes into join tokens. */
  caSha256: string;
  /** Where devices join, e.g. `https://127.0.0.1:8443`; asked for each token, so that ephemeral ports are known. */
  joinUrl: () => string;
  /** Where operators on other machines find this API, e.g. `https://hub.example.com:8080`. */
  apiUrl: () => string;
  now: () => number;
  random: (bytes: number) => Uint8Array;
  /** Further names under which the API may be asked; a request with another `Host` header is refused. */
  hosts: readonly string[];
  /** Further metrics of the hub, without those of the process. */
  metrics?: readonly Metric[];
}

/** Only what was given: an absent parameter is absent, not undefined. */
export function given<T extends object>(query: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined)) as never;
}

/** So many, unless asked for more. */
const PAGE_LIMIT = 100;

export function page(query: { limit?: number | undefined; after?: string | undefined }): {
  limit: number;
  after?: string;
} {
  return { limit: PAGE_LIMIT, ...given(query) };
}
