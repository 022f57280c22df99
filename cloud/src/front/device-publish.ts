/** What a device publishes by HTTPS: by the same rules, and durable by the same ways, as what it publishes by MQTT. */
import type { Log } from '../log/log.ts';
import { mayPublish, type PublishRequest } from './acl.ts';
import type { FrontPorts } from './front.ts';
import { takeUplink } from './uplink.ts';

export interface DevicePublishPorts extends Pick<FrontPorts, 'shadows' | 'ingestRule'> {
  log: Log;
  fleet: Pick<FrontPorts['fleet'], 'refused'>;
  now: () => number;
}

/** @returns why it may not; undefined: it is taken, and durable */
export type DevicePublish = (
  device: string,
  message: PublishRequest,
  payload: Uint8Array,
) => Promise<string | undefined>;

export function devicePublish({ shadows, ingestRule, log, fleet, now }: DevicePublishPorts): DevicePublish {
  return async (device, message, payload) => {
    const permission = mayPublish(device, message, ingestRule);
    if (permission.kind === 'refused') {
      await fleet.refused(device, 'forbidden', permission.why, new Uint8Array());
      return permission.why;
    }
    if (permission.kind === 'shadow') await shadows.request(device, permission.name, permission.verb, payload);
    else {
      const uplink = { device, lane: permission.lane, payload, receivedAt: now() };
      await takeUplink(uplink, { log, refused: (...args) => fleet.refused(...args) });
    }
    return undefined;
  };
}
