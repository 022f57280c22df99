/** A topic of an MQTT broker that is there already: one message for each alert. The hub's own broker is for its devices alone. */
import { UsageError } from '@weir/runtime';
import { z } from 'zod';
import type { AlertMessage, MessageAlert } from '../message.ts';
import { checkUrl, credential, pem } from './http-settings.ts';
import { kind, type MqttBroker, type Parcel } from './kind.ts';

const PORTS = { 'mqtt:': 1883, 'mqtts:': 8883 } as const;
const TOPIC_CHARS_MAX = 256;
/** What may stand in a topic for something else. */
const GAPS = ['device', 'sensor', 'metric', 'rule', 'severity', 'status', 'episode'] as const;
const DEFAULT_TOPIC = 'weir/alerts/{device}/{rule}';

const topicSchema = z
  .string()
  .min(1)
  .max(TOPIC_CHARS_MAX)
  .refine(
    (topic) => !/[#+]/.test(topic) && !topic.includes('\0') && !topic.startsWith('$'),
    'a topic without # and +, that does not begin with $',
  )
  .superRefine((topic, context) => {
    for (const [, name] of topic.matchAll(/\{([^}]*)\}/g)) {
      if (GAPS.some((gap) => gap === name)) continue;
      context.addIssue({ code: 'custom', message: `{${name}} is nothing that a topic can name: ${GAPS.join(', ')}` });
    }
  });

const brokerUrl = z.string().transform((text) => {
  const href = checkUrl(text, ['mqtt:', 'mqtts:']);
  const { pathname, search, hostname } = new URL(href);
  if (hostname === '' || (pathname !== '' && pathname !== '/') || search !== '') {
    throw new UsageError(
      'channel-url-invalid',
      'the URL of a broker is a host and a port',
      'e.g. mqtts://broker.example.com:8883',
    );
  }
  return href;
});

const settings = z.strictObject({
  url: brokerUrl,
  topic: topicSchema.default(DEFAULT_TOPIC),
  /** Who subscribes later gets the last word on each topic. */
  retain: z.boolean().default(false),
  qos: z.union([z.literal(0), z.literal(1)]).default(1),
  user: credential.optional(),
  password: credential.optional(),
  /** PEM of who signed the broker's certificate, where the machine does not know them. */
  ca: pem.optional(),
});
export type MqttSettings = z.output<typeof settings>;

export const mqtt = kind<MqttSettings>({
  title: 'a topic of an MQTT broker',
  settings: settings as unknown as z.ZodType<MqttSettings>,
  secrets: ['password'],
  where: ({ url, topic }) => `${url} ${topic}`,
  concurrency: 1,
  rate: '600/1m',
  template: { fills: 'body', escape: 'json' },
  compose(message, { settings: own, text }) {
    const { retain, qos } = own;
    const broker = brokerOf(own);
    return message.alerts.map(
      (alert): Parcel => ({
        ...{ by: 'mqtt', broker, qos, retain },
        topic: topicOf(own.topic, alert),
        payload: text ?? JSON.stringify(payloadOf(message, alert)),
      }),
    );
  },
});

export function brokerOf({ url: href, user, password, ca }: MqttSettings): MqttBroker {
  const { protocol, hostname: host, port } = new URL(href);
  const isTls = protocol === 'mqtts:';
  return { host, port: port === '' ? PORTS[isTls ? 'mqtts:' : 'mqtt:'] : Number(port), isTls, user, password, ca };
}

function topicOf(topic: string, { transition, severity, status }: MessageAlert): string {
  const { device, sensor = '-', metric = '-', episode, source } = transition;
  const values: Record<string, string> = { device, sensor, metric, episode, severity, status, rule: source.name };
  // A gatherer's name has a slash: it is one level here.
  return topic.replace(/\{([^}]*)\}/g, (_, name: string) =>
    (values[name] ?? '-').replace(/[/+#]/g, '_').replaceAll('\0', '_'),
  );
}

function payloadOf({ id, why, kind: what }: AlertMessage, alert: MessageAlert) {
  const { status, severity, labels, annotations, startsAt, endsAt, episode, seq, value, unit, level, peak } = alert;
  return {
    ...{ id, why, ...(what === 'test' && { test: true }) },
    ...{ status, severity, episode, seq, labels, annotations },
    startsAt: new Date(startsAt).toISOString(),
    ...(endsAt !== undefined && { endsAt: new Date(endsAt).toISOString() }),
    ...{ value, unit, level, peak, origin: alert.origin },
  };
}
