/**
 * Posts a notification the way Standard Webhooks says.
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md version 1.0.0
 */
import { createHmac } from 'node:crypto';
import { type AlertTransition, transitionKey } from '@weir/protocols';
import { parseRetryAfter } from '@weir/runtime';
import type { Origin } from '../api/events.ts';

/**
 * - `refused`: this message is not wanted (4xx); others may be.
 * - `unavailable`: the receiver cannot take any just now.
 * - `gone`: 410; it wants no more, ever.
 * - `stopped`: given up because the hub stops; as if it had not been tried.
 */
export type Outcome =
  | { kind: 'delivered'; detail: string }
  | { kind: 'refused' | 'unavailable'; detail: string; retryAfterMs?: number }
  | { kind: 'gone'; detail: string }
  | { kind: 'stopped' };

export interface Message {
  /** Constant across attempts: the idempotency key. */
  id: string;
  body: string;
}

export function alertMessage(transition: AlertTransition, origin: Origin): Message {
  return {
    id: transitionKey(transition),
    body: JSON.stringify({
      type: `alert.${transition.state}`,
      timestamp: new Date(transition.ts).toISOString(),
      data: { ...transition, origin },
    }),
  };
}

const SECRET_PREFIX = 'whsec_';
/** The specification asks for 24 to 64. */
export const SECRET_BYTES = 32;

export function formatSecret(bytes: Uint8Array): string {
  return SECRET_PREFIX + Buffer.from(bytes).toString('base64');
}

export function sign(secret: string, id: string, timestamp: number, body: string): string {
  const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

export interface PostOptions {
  url: string;
  secret: string | undefined;
  /** ms since epoch, goes into the signature. */
  now: number;
  timeoutMs: number;
  signal: AbortSignal;
}

/** Never rejects. */
export type Post = (message: Message, options: PostOptions) => Promise<Outcome>;

export async function post(message: Message, options: PostOptions): Promise<Outcome> {
  const { url, secret, now, timeoutMs, signal } = options;
  const timestamp = Math.floor(now / 1000);
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'user-agent': 'weir',
    'webhook-id': message.id,
    'webhook-timestamp': String(timestamp),
    'idempotency-key': message.id,
  };
  if (secret !== undefined) headers['webhook-signature'] = sign(secret, message.id, timestamp, message.body);
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body: message.body,
      // A redirect would carry the alert, and its signature, to a place nobody has named. It counts as a failure.
      redirect: 'manual',
      signal: AbortSignal.any([timeout, signal]),
    });
    // What the receiver says beyond its status is of no interest, and may be endless.
    await response.body?.cancel();
    return outcomeOf(response.status, response.headers.get('retry-after'), now);
  } catch (error) {
    if (signal.aborted) return { kind: 'stopped' };
    if (timeout.aborted) return { kind: 'unavailable', detail: `no answer within ${timeoutMs / 1000} s` };
    return { kind: 'unavailable', detail: reasonOf(error) };
  }
}

function outcomeOf(status: number, retryAfter: string | null, now: number): Outcome {
  const detail = `HTTP ${status}`;
  if (status >= 200 && status < 300) return { kind: 'delivered', detail };
  if (status === 410) return { kind: 'gone', detail };
  const ownFault = status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429;
  const outcome = { kind: ownFault ? ('refused' as const) : ('unavailable' as const), detail };
  const retryAfterMs = parseRetryAfter(retryAfter, now);
  return retryAfterMs === undefined ? outcome : { ...outcome, retryAfterMs };
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  const inner = cause as { code?: string; message?: string } | undefined;
  // Its only sign. @see https://fetch.spec.whatwg.org/#port-blocking
  if (inner?.message === 'bad port') return 'HTTP is never spoken on this port; name another in the URL';
  return inner?.code ?? inner?.message ?? message;
}
