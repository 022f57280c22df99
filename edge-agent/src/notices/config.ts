/** Who is told of alerts by the device itself: in the agent's configuration, `alerts`. */
import { SEVERITIES } from '@weir/protocols';
import { isNetwork } from '@weir/runtime';
import { z } from 'zod';
import { duration } from '../config/units.ts';
import { type NoticeChannel, topicFault } from './notices.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 86_400 * SECOND;
const CHANNELS_MAX = 10;

const channelName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'letters, digits and . _ -');
const minSeverity = z.enum(SEVERITIES).default('info');

const webhookUrl = z
  .url({ protocol: /^https?$/ })
  .max(2048)
  .refine((text) => {
    const { username, password } = new URL(text);
    return username === '' && password === '';
  }, 'no user name and no password in it');

const webhook = z.strictObject({
  name: channelName,
  webhook: webhookUrl,
  /** A file with the secret it signs with, `whsec_…`, as that of a channel of the hub; absent: it does not sign. */
  secretFile: z.string().min(1).optional(),
  headers: z
    .record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/), z.string().regex(/^[\x20-\x7e]{0,1024}$/))
    .default({}),
  minSeverity,
});

const mqtt = z.strictObject({
  name: channelName,
  /** On the local broker, retained; may hold {rule}, {sensor}, {metric}, {device}, {severity}, {episode}. */
  mqtt: z
    .string()
    .min(1)
    .max(256)
    .superRefine((topic, context) => {
      const message = topicFault(topic);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    }),
  minSeverity,
});

export const alertsSchema = z
  .strictObject({
    channels: z
      .array(z.union([webhook, mqtt]))
      .max(CHANNELS_MAX)
      .default([]),
    /** Where webhooks may go: to these networks, and nowhere else. Addresses are looked at when a connection is made. */
    allowNetworks: z.array(z.string().refine(isNetwork, 'a network such as 192.168.1.0/24')).max(32).default([]),
    /** Of one attempt. */
    timeout: duration(100, 2 * MINUTE).default(10 * SECOND),
    /** Who is not there for so long has heard of it otherwise. */
    giveUp: duration(MINUTE, 365 * DAY).default(7 * DAY),
    /** Of one channel; of more the oldest go, and are counted. Some 2 KB each. */
    waitingMax: z.int().min(10).max(100_000).default(1_000),
  })
  .superRefine(({ channels }, context) => {
    const names = channels.map((each) => each.name);
    const twice = names.findIndex((each, at) => names.indexOf(each) < at);
    if (twice >= 0)
      context.addIssue({
        code: 'custom',
        path: ['channels', twice, 'name'],
        message: `there are two channels "${names[twice]}"`,
      });
  });

export function noticeChannels({ channels }: z.output<typeof alertsSchema>): NoticeChannel[] {
  return channels.map((channel): NoticeChannel => {
    const { name, minSeverity } = channel;
    if ('mqtt' in channel) return { name, kind: 'mqtt', topic: channel.mqtt, minSeverity };
    return { name, kind: 'webhook', url: channel.webhook, headers: channel.headers, minSeverity };
  });
}
