import { type Config, syncEveryMs } from '../config/config.ts';
import type { SpoolOptions } from './operations.ts';

/** What the configuration says of the spool. @param words drawn anew at each start */
export function spoolOptions(config: Config, words: Pick<SpoolOptions, 'life' | 'run'>): SpoolOptions {
  const { outbox, uplink, functions } = config;
  return {
    ...words,
    outbox,
    batch: { itemsMax: uplink.batchItemsMax, bytesMax: uplink.batchBytesMax },
    publishesMax: functions.publishesMax,
    deadLetters: functions.deadLetters,
    commandsMax: functions.commandsMax,
    syncEveryMs: syncEveryMs(config),
  };
}
