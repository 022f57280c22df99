/**
 * Whether a device is there, as far as the hub can know.
 *
 *     never-connected   it has joined, and no more
 *     connected         something came from it within one and a half keepalives
 *     silent            its connection seemed to be there, and nothing came: no goodbye, no end. Or it did not come back to a hub that
 *                       was started again
 *     offline           it said goodbye, or its connection was closed
 *     returning         it was connected when the hub ended, and has some time left to come back
 *     revoked           none of its certificates speaks for it
 */
import type { DeviceRecord } from '../fleet/fleet.ts';
import type { DisconnectReason } from '../front/front.ts';

export const DEVICE_STATES = ['never-connected', 'connected', 'silent', 'offline', 'returning', 'revoked'] as const;
export type DeviceState = (typeof DEVICE_STATES)[number];

export interface HubLife {
  /** When this hub began to listen, ms since epoch. */
  since: number;
  /** How long devices of the hub before it have to come back. */
  returnMs: number;
}

/** It stopped speaking, or reading; whoever closes a connection does neither. */
const SILENT_REASONS: readonly DisconnectReason[] = ['MQTT_KEEP_ALIVE_TIMEOUT', 'THROTTLED'];

/** @returns the state, and since when it is so */
export function stateOf(
  { presence, revokedAt, enrolledAt }: Pick<DeviceRecord, 'presence' | 'revokedAt' | 'enrolledAt'>,
  hub: HubLife,
  now: number,
): { state: DeviceState; since: number } {
  if (revokedAt !== undefined) return { state: 'revoked', since: revokedAt };
  if (presence === undefined) return { state: 'never-connected', since: enrolledAt };
  const { connected, since, reason } = presence;
  if (connected) return { state: 'connected', since };
  if (reason === 'SERVER_INITIATED_DISCONNECT') {
    const until = hub.since + hub.returnMs;
    return now < until ? { state: 'returning', since } : { state: 'silent', since: Math.max(since, hub.since) };
  }
  return { state: reason !== undefined && SILENT_REASONS.includes(reason) ? 'silent' : 'offline', since };
}
