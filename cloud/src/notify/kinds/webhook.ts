/**
 * Posts messages the way Standard Webhooks says, in our own body or in that of Alertmanager's webhooks.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md version 1.0.0
 */
import { transitionBody } from '@weir/protocols';
import { formatWebhookSecret, UsageError, WEBHOOK_SECRET, WEBHOOK_SECRET_BYTES, webhookHeaders } from '@weir/runtime';
import { z } from 'zod';
import type { AlertMessage } from '../message.ts';
import { alertmanagerBody } from './alertmanager-body.ts';
import { headerText, httpUrl, shownUrl } from './http-settings.ts';
import { kind } from './kind.ts';

/** The one that is new, and those that some receivers still have. */
export const SECRETS_MAX = 3;
const HEADERS_MAX = 16;

/** Set by the hub alone: by somebody else they would say what is not so. */
const OWN_HEADERS =
  /^(content-(type|length|encoding)|host|connection|transfer-encoding|te|trailer|upgrade|expect|keep-alive|user-agent|idempotency-key|webhook-.*|proxy-.*)$/i;

const headersSchema = z
  .record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/, 'a name of a header'), headerText)
  .refine((headers) => Object.keys(headers).length <= HEADERS_MAX, `at most ${HEADERS_MAX} headers`)
  .refine(
    (headers) => !Object.keys(headers).some((name) => OWN_HEADERS.test(name)),
    'a header that the hub sets itself',
  );

const secret = z
  .string()
  .regex(WEBHOOK_SECRET, 'a secret as Standard Webhooks has it: whsec_ and 24 to 64 bytes in base64');

const settings = z.strictObject({
  url: httpUrl,
  signed: z.boolean().default(true),
  /** Those that receivers may check with, the newest first; made when the channel is. */
  signingSecrets: z.array(secret).max(SECRETS_MAX).default([]),
  format: z.enum(['weir', 'alertmanager']).default('weir'),
  headers: headersSchema.default({}),
});

export type WebhookSettings = z.output<typeof settings>;

export const webhook = kind<WebhookSettings>({
  title: 'an HTTP endpoint of your own, signed as Standard Webhooks says',
  settings: settings as unknown as z.ZodType<WebhookSettings>,
  secrets: ['url', 'signingSecrets', 'headers'],
  where: ({ url }) => shownUrl(url),
  concurrency: 4,
  template: { fills: 'body', escape: 'json' },
  complete(given, random) {
    if (!given.signed || given.signingSecrets.length > 0) return { settings: given };
    const made = formatWebhookSecret(random(WEBHOOK_SECRET_BYTES));
    return { settings: { ...given, signingSecrets: [made] }, shownOnce: made };
  },
  compose(message, { settings: { url, headers, format, signingSecrets, signed }, name, now, text }) {
    const made = format === 'alertmanager' ? JSON.stringify(alertmanagerBody(message, name)) : weirBody(message, name);
    const body = text ?? made;
    const own = webhookHeaders(message.id, body, signed ? signingSecrets : [], now);
    return [{ by: 'http', url, headers: { ...headers, ...own }, body }];
  },
});

/** A new secret before those there are, of which so many go on. @throws {UsageError} */
export function rotated(
  settings: WebhookSettings,
  random: (bytes: number) => Uint8Array,
): { settings: WebhookSettings; shownOnce: string } {
  if (!settings.signed) {
    throw new UsageError(
      'channel-not-signed',
      'the channel does not sign what it sends',
      'add it anew without --no-signed',
    );
  }
  const made = formatWebhookSecret(random(WEBHOOK_SECRET_BYTES));
  const signingSecrets = [made, ...settings.signingSecrets].slice(0, SECRETS_MAX);
  return { settings: { ...settings, signingSecrets }, shownOnce: made };
}

/**
 * One alert that is told alone is its transition: `alert.firing`, `alert.resolved` and the like. Several of them, or a digest, are
 * `alerts.firing`, `alerts.resolved` with a list.
 */
function weirBody(message: AlertMessage, name: string): string {
  const { alerts, kind: what, why, status, leftOut, createdAt } = message;
  const only = alerts[0];
  if (what === 'test') {
    const data = { channel: name, ...(only && { ...only.transition, origin: only.origin }) };
    return JSON.stringify({ type: 'weir.test', timestamp: new Date(createdAt).toISOString(), data });
  }
  if (what === 'alerts' && alerts.length === 1 && leftOut === 0 && only !== undefined) {
    const { transition, origin } = only;
    const again = why === 'new' || why === 'resolved' || why === 'severity' ? {} : { why };
    return transitionBody(transition, { origin, ...again });
  }
  const { groupKey, groupLabels, commonLabels, commonAnnotations, counts } = message;
  const listed = alerts.map(({ transition, origin, labels, status: state, url }) => ({
    ...transition,
    ...{ origin, status: state, alertLabels: labels },
    ...(url !== undefined && { url }),
  }));
  return JSON.stringify({
    type: `alerts.${status}`,
    timestamp: new Date(createdAt).toISOString(),
    data: { why, groupKey, groupLabels, commonLabels, commonAnnotations, counts, leftOut, alerts: listed },
  });
}
