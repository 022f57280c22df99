/** Carries alerts to people: a durable outbox, one worker for each channel, at least once under one idempotency key. */
import type { HubEvents } from '../api/events.ts';
import type { Store } from '../store/store.ts';

export type ChannelTarget = { kind: 'webhook'; url: string; signed: boolean } | { kind: 'terminal' };

/** `failing`: the last attempt failed, it is tried again; `disabled`: the receiver answered 410 Gone. */
export type ChannelState = 'idle' | 'ok' | 'failing' | 'disabled';

export interface ChannelRecord {
  name: string;
  kind: ChannelTarget['kind'];
  url?: string;
  signed: boolean;
  createdAt: number;
  state: ChannelState;
  /** Notifications that wait. */
  waiting: number;
  delivered: number;
  /** Given up after the last attempt, or because the channel was disabled. */
  dropped: number;
  lastDeliveredAt?: number;
  /** What went wrong last, while `failing` or `disabled`. */
  lastError?: string;
  nextAttemptAt?: number;
}

export interface Notifier {
  /** @returns the signing secret, for this once. @throws {ChannelError} */
  addChannel(name: string, target: ChannelTarget): Promise<{ secret?: string }>;
  removeChannel(name: string): Promise<void>;
  channels(): Promise<ChannelRecord[]>;
  /** Sends a test message now; one that arrives enables a disabled channel again. */
  test(name: string): Promise<{ delivered: boolean; detail: string }>;
  start(): Promise<void>;
  /** To be called after a commit that made something to notify; cheap. */
  wake(): void;
  /** Ends after the attempts under way, at most a few seconds; idempotent. */
  stop(): Promise<void>;
}

export interface NotifierPorts {
  store: Store;
  events: HubEvents;
  now: () => number;
  random: (bytes: number) => Uint8Array;
  /** One line for the hub's log. */
  log: (level: 'info' | 'warn', fields: Record<string, unknown>, text: string) => void;
  sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export function createNotifier(_ports: NotifierPorts): Notifier {
  throw new Error('written next');
}
