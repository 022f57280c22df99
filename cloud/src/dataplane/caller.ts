/**
 * Who asks the data plane: somebody with an API key, whose role was looked at, or a device with its certificate. A device
 * may do to itself what it may do by MQTT, and nothing to others.
 */
import { maySubscribe } from '../front/acl.ts';
import { DataPlaneError } from './error.ts';

export type Caller = { kind: 'operator' } | { kind: 'device'; device: string };

declare module 'fastify' {
  interface FastifyRequest {
    /** Of a request to the data plane, once it is known. */
    caller?: Caller;
  }
}

/** @throws {DataPlaneError} 403 */
export function requireThing(caller: Caller | undefined, thing: string): void {
  if (caller?.kind === 'operator' || caller?.device === thing) return;
  throw forbidden(caller);
}

/** @throws {DataPlaneError} 403 */
export function requireOperator(caller: Caller | undefined): void {
  if (caller?.kind !== 'operator') throw forbidden(caller);
}

/** What it could subscribe to. @throws {DataPlaneError} 403 */
export function requireTopic(caller: Caller | undefined, topic: string): void {
  if (caller?.kind === 'operator' || (caller !== undefined && maySubscribe(caller.device, topic))) return;
  throw forbidden(caller);
}

function forbidden(caller: Caller | undefined): DataPlaneError {
  return new DataPlaneError(403, caller?.kind === 'device' ? `${caller.device} may not do this` : 'Forbidden');
}
