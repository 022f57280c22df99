import { type Config, syncEveryMs } from '../config/config.ts';
import { noticeChannels } from '../notices/config.ts';
import type { SpoolOptions } from './operations.ts';

/** What the configuration says of the spool. @param words drawn anew at each start */
export function spoolOptions(config: Config, words: Pick<SpoolOptions, 'life' | 'run'>): SpoolOptions {
  const { outbox, uplink, functions, alerts, mqtt } = config;
  return {
    ...words,
    outbox,
    batch: { itemsMax: uplink.batchItemsMax, bytesMax: uplink.batchBytesMax },
    publishesMax: functions.publishesMax,
    deadLetters: functions.deadLetters,
    commandsMax: functions.commandsMax,
    notices: { channels: noticeChannels(alerts), waitingMax: alerts.waitingMax, topicsMax: mqtt.retainedMax },
    syncEveryMs: syncEveryMs(config),
  };
}
