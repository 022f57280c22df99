/**
 * The log: what devices sent, durable, cut into partitions by device, ordered within each.
 *
 * Obligations of every adapter (`log.contract.ts` checks them):
 *
 * - When `append` resolves, all its records are durable: a power cut loses none. When it rejects, none, some or all
 *   may be in the log; the device sends again, and workers drop duplicates by (device, lane, epoch, seq).
 * - Records of one device keep the order in which `append` was called, across calls that overlap.
 * - A device's partition never changes for the life of the log.
 * - `append` and `read` may be called concurrently; one reader at a time reads a partition.
 * - `read` after the last record waits up to `waitMs` for more, whatever the clock does, then gives an empty list. It may
 *   give one earlier.
 * - Positions are opaque text, given back as they came (a SQLite row id, a JetStream or Kinesis sequence number).
 */
import { LANES, type Lane } from '@weir/protocols';

/** What the hub itself puts between the batches of a device. A new one goes to the end. */
const HUB_LANES = ['presence'] as const;
export type LogLane = Lane | (typeof HUB_LANES)[number];

/** Lanes of devices may become many before their numbers meet those of the hub. */
const HUB_LANES_FROM = 1_000;

/** A log keeps lanes as numbers, for ever: the order of both lists is part of its format. */
export function laneNumber(lane: LogLane): number {
  const own = (HUB_LANES as readonly LogLane[]).indexOf(lane);
  return own < 0 ? LANES.indexOf(lane as Lane) : HUB_LANES_FROM + own;
}

export function laneOf(number: number): LogLane {
  return number < HUB_LANES_FROM ? LANES[number]! : HUB_LANES[number - HUB_LANES_FROM]!;
}

export interface AppendRecord {
  device: string;
  lane: LogLane;
  /** The batch as it came over the wire; in a lane of the hub what that says. */
  payload: Uint8Array;
  /** Time of arrival at the front, ms since epoch. */
  receivedAt: number;
}

export interface LogRecord extends AppendRecord {
  position: string;
}

export interface Log {
  readonly partitions: number;
  /** @throws {LogError} when the records could not be made durable. */
  append(records: readonly AppendRecord[]): Promise<void>;
  /** @param after position of the last record consumed; undefined: from the oldest kept. */
  read(partition: number, after: string | undefined, options: ReadOptions): Promise<LogRecord[]>;
  /** Lets the log forget records up to and including `position`; it may keep them longer. */
  trim(partition: number, position: string): Promise<void>;
  /** Records not yet consumed after `position`: the signal by which workers scale. */
  lag(partition: number, after: string | undefined): Promise<number>;
  close(): Promise<void>;
}

export interface ReadOptions {
  /** Records at most; fewer come when they are large. */
  limit: number;
  waitMs: number;
  signal?: AbortSignal;
}

export class LogError extends Error {
  readonly code: 'closed' | 'full' | 'io';
  readonly retryable: boolean;

  constructor(code: 'closed' | 'full' | 'io', message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LogError';
    this.code = code;
    this.retryable = code !== 'closed';
  }
}

/** FNV-1a: the partition of a device is the same in every process and for ever. */
export function partitionOf(device: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < device.length; i++) hash = Math.imul(hash ^ device.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % partitions;
}
