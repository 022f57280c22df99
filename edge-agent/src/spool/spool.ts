import { type OpenDatabase, openSqliteThread, type SqliteThread } from '@weir/runtime';
import type { SpoolOperations, SpoolOptions } from './operations.ts';

/**
 * What must survive. A call resolves when its effect is durable; calls take effect in the order in which they are made.
 *
 * With `syncEveryMs` what is durable survives the end of the process at once, and the end of the power so much later. What
 * leaves the device is on the disk all the same: {@link AWAITED} are answered only then.
 */
export type Spool = Pick<SqliteThread<SpoolOperations>, 'call' | 'close'>;

/**
 * Batches for the hub, for their numbers must not be given again, and what they cost on a metered line; commands, for none is
 * run that may be forgotten; and what waits for its turn to leave.
 */
const AWAITED: readonly (keyof SpoolOperations)[] = ['nextBatches', 'spend', 'takeCommand', 'notices', 'synced'];

/**
 * @param file path of the database; its folder exists
 * @throws {SqliteError} when it cannot be opened
 */
export function openSpool(
  file: string,
  options: SpoolOptions,
  open: OpenDatabase = openSqliteThread,
): Promise<SqliteThread<SpoolOperations>> {
  const { syncEveryMs: everyMs } = options;
  return open<SpoolOperations>({
    file,
    operations: new URL('./operations.ts', import.meta.url),
    options,
    boundedSync: everyMs === undefined ? undefined : { everyMs, awaited: AWAITED },
  });
}
