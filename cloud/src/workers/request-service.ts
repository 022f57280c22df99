/** What carries the requests of all partitions: what is known of a destination is known to all of them. */
import { AllowList, RequestCarrier, type SendHttp } from '@weir/runtime';
import type { Clock } from '../clock/clock.ts';
import type { HubConfig } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import type { Secrets } from '../secrets/secrets.ts';
import { deviceOf, type RequestService } from './requests.ts';

export interface RequestServicePorts {
  send: SendHttp;
  secrets: Pick<Secrets, 'value'>;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
  logger: Logger;
}

export function createRequestService(
  { send, secrets, clock, random, logger }: RequestServicePorts,
  config: HubConfig['functions']['requests'],
  partitions: number,
): RequestService {
  const allow = new AllowList(config.allow);
  const carrier = new RequestCarrier(
    {
      ...{ send, allow, now: clock.now },
      secrets: ({ owner }, name) => secrets.value(deviceOf(owner), name),
      after: (ms, run) => {
        const waiting = new AbortController();
        void clock.sleep(ms, waiting.signal).then(() => {
          if (!waiting.signal.aborted) run();
        });
        return () => waiting.abort();
      },
      random: () => Buffer.from(random(4)).readUInt32LE() / 2 ** 32,
      onFailure: (what, error) => logger.warn({ error: error.message }, what),
    },
    { ...config, giveUpMs: config.giveUp },
    // A function of one customer's device must not reach into the network of the hub.
    'public',
  );
  const share = (total: number) => Math.ceil(total / partitions);
  return {
    carrier,
    allow,
    room: { ...config, totalMax: share(config.totalMax), totalBytesMax: share(config.totalBytesMax) },
  };
}
