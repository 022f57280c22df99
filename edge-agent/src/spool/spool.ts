import { type OpenDatabase, openSqliteThread, type SqliteThread } from '@weir/runtime';
import type { SpoolOperations, SpoolOptions } from './operations.ts';

/** What must survive. A call resolves when its effect is durable; calls take effect in the order in which they are made. */
export type Spool = Pick<SqliteThread<SpoolOperations>, 'call' | 'close'>;

/**
 * @param file path of the database; its folder exists
 * @throws {SqliteError} when it cannot be opened
 */
export function openSpool(file: string, options: SpoolOptions, open: OpenDatabase = openSqliteThread): Promise<Spool> {
  return open<SpoolOperations>({
    file,
    operations: new URL('./operations.ts', import.meta.url),
    options,
  });
}
