/** A message on a local topic of a device, for a siren, a lamp or a display there: by a command, so once, and when it is back. */
import { DEVICE_PATTERN } from '@weir/protocols';
import { z } from 'zod';
import { duration } from '../../config/units.ts';
import { kind, type Parcel } from './kind.ts';

const SECOND = 1000;
const HOUR = 3_600 * SECOND;
const TOPIC_CHARS_MAX = 256;
const PAYLOAD_CHARS_MAX = 4_096;

const settings = z.strictObject({
  /** On which device; default: the one that the alert is of. */
  device: z.string().regex(DEVICE_PATTERN).optional(),
  /** One of those that actuators of that device listen to. */
  topic: z
    .string()
    .min(1)
    .max(TOPIC_CHARS_MAX)
    .refine(
      (topic) => !/[#+]/.test(topic) && !topic.includes('\0') && !topic.startsWith('$'),
      'a topic without # and +',
    ),
  firing: z.string().max(PAYLOAD_CHARS_MAX).default('on'),
  resolved: z.string().max(PAYLOAD_CHARS_MAX).default('off'),
  retain: z.boolean().default(false),
  /** A siren that begins a day late helps nobody. */
  expiry: duration(SECOND, 7 * 24 * HOUR).default(HOUR),
});
export type CommandSettings = z.output<typeof settings>;

/** Of the agent. */
export const PUBLISH_COMMAND = 'weir.publish';

export const command = kind<CommandSettings>({
  title: 'a local topic of a device, for an actuator there',
  settings: settings as unknown as z.ZodType<CommandSettings>,
  secrets: [],
  where: ({ device, topic }) => `${device ?? "the alert's device"} ${topic}`,
  // One after the other: whether anything else fires is looked up before each.
  concurrency: 1,
  countsFiring: true,
  compose(message, { settings: { device, topic, firing, resolved, retain, expiry: expiryMs }, id, others = [] }) {
    const devices = Map.groupBy(message.alerts, ({ transition }) => device ?? transition.device);
    return [...devices].flatMap(([to, alerts]): Parcel[] => {
      // The name of a gatherer is no device's.
      if (!DEVICE_PATTERN.test(to)) return [];
      const isFiring = alerts.some(({ status }) => status === 'firing');
      // A siren is not silenced by the end of one alert while another one goes on.
      if (!isFiring && others.some(({ transition }) => (device ?? transition.device) === to)) return [];
      const payload = { topic, payload: isFiring ? firing : resolved, retain };
      return [{ by: 'command', id: `${id}-${message.id}`, device: to, name: PUBLISH_COMMAND, payload, expiryMs }];
    });
  },
});
