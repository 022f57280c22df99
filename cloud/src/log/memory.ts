import { type Clock, systemClock } from '../clock/clock.ts';
import { type AppendRecord, type Log, LogError, type LogRecord, partitionOf, type ReadOptions } from './log.ts';
import { Wake } from './wake.ts';

/** A log that lives as long as the process: for tests and simulation. */
export function createMemoryLog(options: { partitions?: number; bytesMax?: number; clock?: Clock } = {}): Log {
  const { partitions = 16, bytesMax = Number.POSITIVE_INFINITY, clock = systemClock } = options;
  return new MemoryLog(partitions, bytesMax, clock);
}

class MemoryLog implements Log {
  readonly partitions: number;
  #bytesMax: number;
  #bytes = 0;
  #last = 0;
  #slots: { records: LogRecord[]; wake: Wake }[];
  #closed = false;

  constructor(partitions: number, bytesMax: number, clock: Clock) {
    this.partitions = partitions;
    this.#bytesMax = bytesMax;
    this.#slots = Array.from({ length: partitions }, () => ({ records: [], wake: new Wake(clock) }));
  }

  async append(records: readonly AppendRecord[]): Promise<void> {
    this.#verifyOpen();
    const bytes = records.reduce((sum, { payload }) => sum + payload.length, 0);
    if (this.#bytes + bytes > this.#bytesMax) throw new LogError('full', 'the log has reached its limit in bytes');
    this.#bytes += bytes;
    for (const record of records) {
      const slot = this.#slots[partitionOf(record.device, this.partitions)]!;
      slot.records.push({ ...record, payload: new Uint8Array(record.payload), position: `${++this.#last}` });
      slot.wake.ring();
    }
  }

  async read(partition: number, after: string | undefined, options: ReadOptions): Promise<LogRecord[]> {
    this.#verifyOpen();
    const { wake } = this.#slots[partition]!;
    const { limit, waitMs, signal } = options;
    const { version } = wake;
    const found = this.#after(partition, after).slice(0, limit);
    if (found.length > 0) return found;
    await wake.sleep(version, waitMs, signal);
    this.#verifyOpen();
    return this.#after(partition, after).slice(0, limit);
  }

  async trim(partition: number, position: string): Promise<void> {
    this.#verifyOpen();
    const slot = this.#slots[partition]!;
    const kept = this.#after(partition, position);
    for (const { payload } of slot.records.slice(0, slot.records.length - kept.length)) this.#bytes -= payload.length;
    slot.records = kept;
  }

  async lag(partition: number, after: string | undefined): Promise<number> {
    this.#verifyOpen();
    return this.#after(partition, after).length;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { wake } of this.#slots) wake.ring();
  }

  #after(partition: number, position: string | undefined): LogRecord[] {
    const { records } = this.#slots[partition]!;
    return records.filter((record) => Number(record.position) > Number(position ?? 0));
  }

  #verifyOpen(): void {
    if (this.#closed) throw new LogError('closed', 'the log is closed');
  }
}
