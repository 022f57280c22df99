import { type OpenDatabase, openSqliteThread, SqliteError, type SqliteThread, UsageError } from '@weir/runtime';
import { type Clock, systemClock } from '../clock/clock.ts';
import {
  type AppendRecord,
  type Log,
  LogError,
  type LogRecord,
  laneNumber,
  laneOf,
  partitionOf,
  type ReadOptions,
} from './log.ts';
import type { LogOperations, StoredAppend } from './sqlite-operations.ts';
import { Wake } from './wake.ts';

export interface SqliteLogOptions {
  file: string;
  /** Fixed when the file is made. Default 16: more than one machine's cores, few enough for a loop each. */
  partitions?: number;
  /** Bytes kept at most; over it `append` rejects with `full`. Default 1 GiB. */
  bytesMax?: number;
  /**
   * Up to where workers have read, as they have kept it: another file than this one, which may be put back to an older
   * copy, or lost, alone.
   */
  consumed?: readonly string[];
  /** Told when the file is older than that, by so many positions. */
  onBehind?: (positions: number) => void;
  clock?: Clock;
  /** Default: in a thread of its own. */
  open?: OpenDatabase;
}

export const LOG_PARTITIONS = 16;
export const LOG_BYTES_MAX = 1024 ** 3;

/**
 * A log in one SQLite file; group commit makes many appends durable with one fsync.
 *
 * @throws {UsageError} `log-partitions` when the file was made with another number of partitions, `data-in-use` when
 *   another hub has it open. @throws {LogError} `io`
 */
export async function openSqliteLog(options: SqliteLogOptions): Promise<Log> {
  const partitions = options.partitions ?? LOG_PARTITIONS;
  const { file, open = openSqliteThread, bytesMax = LOG_BYTES_MAX, consumed = [] } = options;
  const given = Math.max(0, ...consumed.map(Number));
  const thread = await openThread(open, file, { partitions, bytesMax, given });
  const kept = await thread.call('partitions');
  const behind = await thread.call('behind');
  if (behind > 0) options.onBehind?.(behind);
  if (kept === partitions) return new SqliteLog(thread, partitions, options.clock ?? systemClock);
  await thread.close();
  throw new UsageError(
    'log-partitions',
    `${options.file} has ${kept} partitions, the configuration wants ${partitions}`,
    `set log.partitions to ${kept}: a device may not move to another partition`,
  );
}

async function openThread(open: OpenDatabase, file: string, options: object): Promise<SqliteThread<LogOperations>> {
  try {
    return await open<LogOperations>({
      file,
      operations: new URL('./sqlite-operations.ts', import.meta.url),
      options,
    });
  } catch (error) {
    if (error instanceof SqliteError && error.code === 'busy') {
      throw new UsageError('data-in-use', `${file} is in use`, 'stop the other hub or choose another --data', {
        cause: error,
      });
    }
    throw translate(error);
  }
}

class SqliteLog implements Log {
  readonly partitions: number;
  #thread: SqliteThread<LogOperations>;
  #wakes: Wake[];
  #closed = false;

  constructor(thread: SqliteThread<LogOperations>, partitions: number, clock: Clock) {
    this.#thread = thread;
    this.partitions = partitions;
    this.#wakes = Array.from({ length: partitions }, () => new Wake(clock));
  }

  async append(records: readonly AppendRecord[]): Promise<void> {
    const rows = records.map((record) => this.#row(record));
    const written = await this.#do(() =>
      this.#thread.callMoving(
        rows.map((row) => row.payload.buffer as ArrayBuffer),
        'append',
        rows,
      ),
    );
    if (!written) throw new LogError('full', 'the log has reached its limit in bytes');
    for (const slot of new Set(rows.map((row) => row.slot))) this.#wakes[slot]!.ring();
  }

  async read(partition: number, after: string | undefined, options: ReadOptions): Promise<LogRecord[]> {
    const wake = this.#wakes[partition]!;
    const { limit, waitMs, signal } = options;
    const { version } = wake;
    const found = await this.#read(partition, after, limit);
    if (found.length > 0 || waitMs <= 0 || signal?.aborted) return found;
    await wake.sleep(version, waitMs, signal);
    return this.#read(partition, after, limit);
  }

  async #read(partition: number, after: string | undefined, limit: number): Promise<LogRecord[]> {
    const rows = await this.#do(() => this.#thread.call('read', partition, Number(after ?? 0), limit));
    return rows.map(({ id, lane, ...row }) => ({ ...row, lane: laneOf(lane), position: `${id}` }));
  }

  async trim(partition: number, position: string): Promise<void> {
    await this.#do(() => this.#thread.call('trim', partition, Number(position)));
  }

  lag(partition: number, after: string | undefined): Promise<number> {
    return this.#do(() => this.#thread.call('lag', partition, Number(after ?? 0)));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#thread.close();
    for (const wake of this.#wakes) wake.ring();
  }

  /** Copies the payload: what the broker gives is a view into a buffer shared with other messages. */
  #row({ device, lane, receivedAt, payload }: AppendRecord): StoredAppend {
    const slot = partitionOf(device, this.partitions);
    return { slot, device, lane: laneNumber(lane), receivedAt, payload: new Uint8Array(payload) };
  }

  async #do<T>(action: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new LogError('closed', 'the log is closed');
    try {
      return await action();
    } catch (error) {
      throw translate(error);
    }
  }
}

function translate(error: unknown): unknown {
  if (!(error instanceof SqliteError)) return error;
  const code = error.code === 'full' || error.code === 'closed' ? error.code : 'io';
  return new LogError(code, `the log: ${error.message}`, { cause: error });
}
