/**
 * PagerDuty's Events API, version 2: an episode is an incident, by its name. What was over before anybody could be told pages nobody.
 *
 * @see https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
 */
import { z } from 'zod';
import type { AlertMessage, MessageAlert } from '../message.ts';
import { wordsOf } from '../words.ts';
import { httpUrl, JSON_HEADERS, shownUrl } from './http-settings.ts';
import { kind, type Parcel, type Setting } from './kind.ts';

const EVENTS_URL = 'https://events.pagerduty.com/v2/enqueue';
const SUMMARY_CHARS_MAX = 1_024;

const settings = z.strictObject({
  /** Integration key of a service. */
  routingKey: z.string().regex(/^[A-Za-z0-9]{32}$/, 'an integration key: 32 letters and digits'),
  /** Elsewhere for accounts in Europe. */
  url: httpUrl.default(EVENTS_URL),
});
export type PagerdutySettings = z.output<typeof settings>;

/** `critical`, `error`, `warning`, `info` there. */
const SEVERITIES = { critical: 'critical', warning: 'warning', info: 'info' } as const;

export const pagerduty = kind<PagerdutySettings>({
  title: 'a service in PagerDuty: each episode is an incident',
  settings: settings as unknown as z.ZodType<PagerdutySettings>,
  secrets: ['routingKey'],
  where: ({ url }) => shownUrl(url),
  concurrency: 2,
  hearsAcks: true,
  template: { fills: 'text', escape: 'none' },
  compose(message, setting) {
    const { items } = wordsOf(message);
    return items.flatMap(({ alert, headline }) => {
      const event = eventOf(message, alert, setting.text ?? headline, setting);
      return event === undefined ? [] : [posted(setting, event)];
    });
  },
});

function posted({ settings: { url } }: Setting<PagerdutySettings>, event: object): Parcel {
  return { by: 'http', url, headers: JSON_HEADERS, body: JSON.stringify(event), isExplained: true };
}

function eventOf(
  message: AlertMessage,
  alert: MessageAlert,
  text: string,
  { settings: { routingKey } }: Setting<PagerdutySettings>,
): object | undefined {
  const { episode, status, severity, transition, labels, startsAt, value, unit, level, peak } = alert;
  if (message.why === 'historical' || transition.historical === true) return undefined;
  const identity = { routing_key: routingKey, dedup_key: episode };
  if (status === 'resolved') return { ...identity, event_action: 'resolve' };
  if (message.why === 'acknowledged') return { ...identity, event_action: 'acknowledge' };
  const { device, sensor, metric, source } = transition;
  const item = wordsOf({ ...message, alerts: [alert] }).items[0]!;
  const links = [
    ...(item.runbook === undefined ? [] : [{ href: item.runbook, text: 'Runbook' }]),
    ...(item.url === undefined ? [] : [{ href: item.url, text: 'Open' }]),
  ];
  return {
    ...identity,
    event_action: 'trigger',
    client: 'weir',
    ...(links.length > 0 && { links }),
    payload: {
      summary: text.slice(0, SUMMARY_CHARS_MAX),
      source: device,
      severity: SEVERITIES[severity],
      timestamp: new Date(startsAt).toISOString(),
      ...(sensor !== undefined && { component: sensor }),
      group: source.name,
      ...(metric !== undefined && { class: metric }),
      custom_details: {
        episode,
        labels,
        value,
        unit,
        level,
        peak,
        description: item.description,
        origin: alert.origin,
      },
    },
  };
}
