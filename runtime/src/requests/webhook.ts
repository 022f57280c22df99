/**
 * What every message of a webhook bears, and how it is signed.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md version 1.0.0
 */
import { createHmac } from 'node:crypto';

const SECRET_PREFIX = 'whsec_';
/** The specification asks for 24 to 64. */
export const WEBHOOK_SECRET_BYTES = 32;
export const WEBHOOK_SECRET = /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/;

export function formatWebhookSecret(bytes: Uint8Array): string {
  return SECRET_PREFIX + Buffer.from(bytes).toString('base64');
}

/** @param timestamp seconds since epoch */
export function signWebhook(secret: string, id: string, timestamp: number, body: string): string {
  const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

/**
 * @param id constant across attempts: the idempotency key
 * @param secrets those that a receiver may check with, the newest first; none: it is not signed
 * @param now ms since epoch
 */
export function webhookHeaders(
  id: string,
  body: string,
  secrets: readonly string[],
  now: number,
): Record<string, string> {
  const timestamp = Math.floor(now / 1000);
  const signature = secrets.map((secret) => signWebhook(secret, id, timestamp, body)).join(' ');
  return {
    'content-type': 'application/json',
    'user-agent': 'weir',
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'idempotency-key': id,
    ...(signature !== '' && { 'webhook-signature': signature }),
  };
}
