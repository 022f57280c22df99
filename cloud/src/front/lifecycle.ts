/**
 * What AWS IoT Core tells of connections, on topics and in documents that are the same to the field.
 *
 *     $aws/events/presence/connected|disconnected/<clientId>
 *     $aws/events/subscriptions/subscribed|unsubscribed/<clientId>
 *
 * Connect and disconnect of one connection have the same version number; that of the next one is higher, so that of two
 * events that come out of order the later one is known.
 *
 * @see AWS IoT Core, lifecycle events
 */
import type { DisconnectReason } from './front.ts';

interface OfSession {
  clientId: string;
  /** ms since epoch. */
  timestamp: number;
  /** A UUID that is the connection's own. */
  sessionIdentifier: string;
  /** SHA-256 of the device's certificate, hexadecimal: what AWS calls the id of a certificate. */
  principalIdentifier: string;
}

export interface ConnectedDocument extends OfSession {
  eventType: 'connected';
  ipAddress: string;
  versionNumber: number;
}

export interface DisconnectedDocument extends OfSession {
  eventType: 'disconnected';
  clientInitiatedDisconnect: boolean;
  disconnectReason: DisconnectReason;
  versionNumber: number;
}

export interface SubscriptionDocument extends OfSession {
  eventType: 'subscribed' | 'unsubscribed';
  topics: string[];
}

export interface LifecycleEvent {
  topic: string;
  document: ConnectedDocument | DisconnectedDocument | SubscriptionDocument;
}

export const LIFECYCLE_KINDS = [
  'presence/connected',
  'presence/disconnected',
  'subscriptions/subscribed',
  'subscriptions/unsubscribed',
] as const;

export function lifecycleTopic(kind: (typeof LIFECYCLE_KINDS)[number], clientId: string): string {
  return `$aws/events/${kind}/${clientId}`;
}

/** The connection that an event is about. */
export interface LifecycleSession {
  clientId: string;
  sessionIdentifier: string;
  principalIdentifier: string;
  ipAddress: string;
  versionNumber: number;
}

export function connectedEvent(session: LifecycleSession, timestamp: number): LifecycleEvent {
  const { clientId, sessionIdentifier, principalIdentifier, ipAddress, versionNumber } = session;
  const of = { clientId, timestamp, eventType: 'connected' as const, sessionIdentifier, principalIdentifier };
  return { topic: lifecycleTopic('presence/connected', clientId), document: { ...of, ipAddress, versionNumber } };
}

export function disconnectedEvent(
  session: LifecycleSession,
  disconnectReason: DisconnectReason,
  timestamp: number,
): LifecycleEvent {
  const { clientId, sessionIdentifier, principalIdentifier, versionNumber } = session;
  const of = { clientId, timestamp, eventType: 'disconnected' as const, sessionIdentifier, principalIdentifier };
  const clientInitiatedDisconnect = disconnectReason === 'CLIENT_INITIATED_DISCONNECT';
  return {
    topic: lifecycleTopic('presence/disconnected', clientId),
    document: { ...of, clientInitiatedDisconnect, disconnectReason, versionNumber },
  };
}

export function subscriptionEvent(
  session: LifecycleSession,
  eventType: SubscriptionDocument['eventType'],
  topics: string[],
  timestamp: number,
): LifecycleEvent {
  const { clientId, sessionIdentifier, principalIdentifier } = session;
  return {
    topic: lifecycleTopic(`subscriptions/${eventType}`, clientId),
    document: { clientId, timestamp, eventType, sessionIdentifier, principalIdentifier, topics },
  };
}
