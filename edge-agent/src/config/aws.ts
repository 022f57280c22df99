import { DEVICE_PATTERN } from '@weir/protocols';
import { z } from 'zod';

/** AWS IoT Core in the place of a hub's broker. Bundles come from the hub that the device is enrolled with, if it is. */
export const awsSchema = z.strictObject({
  /** As `aws iot describe-endpoint --endpoint-type iot:Data-ATS` says. */
  endpoint: z.string().regex(/^[a-zA-Z0-9.-]{1,253}$/, 'a host name'),
  /** 443 where a firewall lets nothing else through: MQTT is asked for by ALPN then. */
  port: z.int().min(1).max(65_535).default(8883),
  /** Name of the thing, and client id. */
  thing: z.string().regex(DEVICE_PATTERN, 'letters, digits and : _ - ; at most 128'),
  certificateFile: z.string().min(1),
  keyFile: z.string().min(1),
  /** Amazon Root CA 1 and 3. */
  caFile: z.string().min(1),
  /** MQTT is asked for by ALPN. Undefined: on port 443. */
  alpn: z.boolean().optional(),
});
export type AwsConfig = z.output<typeof awsSchema>;

/** Of the 100 that AWS takes a second; what is over it is discarded. @see AWS IoT message broker quotas */
const PUBLISHES_PER_S = 80;
/** ms. @see AWS IoT message broker quotas */
const KEEPALIVE_MIN = 30_000;

export const KEEPALIVE_FAULT = {
  path: ['uplink', 'keepalive'],
  message: 'AWS IoT Core keeps no connection alive for less than 30s',
};

interface Settings {
  aws?: AwsConfig | undefined;
  uplink: { keepalive: number; publishesPerSecond?: number | undefined };
}

export function isForAws({ aws, uplink }: Settings): boolean {
  return aws === undefined || uplink.keepalive >= KEEPALIVE_MIN;
}

/** At AWS no more is published than it takes. */
export function withinAws<S extends Settings>(settings: S): S {
  if (settings.aws === undefined) return settings;
  const { publishesPerSecond = PUBLISHES_PER_S } = settings.uplink;
  const limited = Math.min(publishesPerSecond, PUBLISHES_PER_S);
  return { ...settings, uplink: { ...settings.uplink, publishesPerSecond: limited } };
}
