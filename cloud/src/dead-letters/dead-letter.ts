/**
 * Input that functions could not take, as the hub keeps it: all of it for functions in the hub; for those on devices as
 * much as the device has told, for the rest and the replay are the device's.
 *
 *     table `dead-letter`       partition <function>   sort <id>   json: {@link StoredLetter} · bytes: its readings, a batch
 *     table `dead-letter-ask`   partition <device>     sort <id>   json: {@link Ask}
 *
 * Ids begin with the time at which the input came, so that a partition is in order of time.
 */
import { createHash } from 'node:crypto';
import {
  type Columns,
  columnsOf,
  type DeadLetterReport,
  decodeBatch,
  encodeBatch,
  type Reading,
  readingsOf,
} from '@weir/protocols';
import type { DeadInput, DeadLetter } from '@weir/runtime';
import type { Origin } from '../api/events.ts';
import type { Item, ItemBody, ItemKey } from '../store/store.ts';

export const LETTER_TABLE = 'dead-letter';
export const ASK_TABLE = 'dead-letter-ask';

type LetterEvent = Extract<DeadInput, { kind: 'event' }>;

interface StoredLetter {
  device: string;
  where: Origin;
  /** Its name where it was made; unique there. */
  name: string;
  version: string;
  hash: string;
  /** Arrival of the input, ms since epoch. */
  at: number;
  /** How often it was run again. */
  replays: number;
  fault: DeadLetterReport['fault'];
  input:
    | { kind: 'readings'; device: string; count: number }
    /** `value`: JSON text; undefined: it is on the device. */
    | { kind: 'event'; handler: LetterEvent['handler']; keys?: string[]; device: string; at: number; value?: string };
  /** Why it was not run again when somebody asked for it. */
  answer?: { at: number; detail: string };
}

/** What somebody wants to be done with a letter, until it is. */
export interface Ask {
  what: 'replay' | 'remove';
  /** Partition of the letter. */
  function: string;
  at: number;
  /** When nobody waits for it any more. */
  expiresAt: number;
}

/** A letter in memory. */
export interface HubLetter extends StoredLetter {
  id: string;
  function: string;
  /** Undefined: it is no letter of readings. Fewer than `input.count`: the rest is on the device. */
  readings: Columns | undefined;
}

export function letterKey(fn: string, id: string): ItemKey {
  return { table: LETTER_TABLE, partition: fn, sort: id };
}

export function askKey(device: string, id: string): ItemKey {
  return { table: ASK_TABLE, partition: device, sort: id };
}

const TIME_CHARS = 9;
const HASH_CHARS = 8;

/** Unique in the fleet. */
function idOf({ device, where, name, at }: Pick<StoredLetter, 'device' | 'where' | 'name' | 'at'>): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([device, where, name, at]))
    .digest('hex');
  return `${at.toString(36).padStart(TIME_CHARS, '0')}-${hash.slice(0, HASH_CHARS)}`;
}

export function ofReport(device: string, report: DeadLetterReport): HubLetter {
  const { id: name, ts: at, function: fn, version, hash, replays, fault } = report;
  const stored = { device, where: 'edge', name, version, hash, at, replays, fault } as const;
  const { input } = report;
  const id = idOf(stored);
  if (input.kind === 'readings') {
    const { kind, count } = input;
    return { ...stored, id, function: fn, input: { kind, device, count }, readings: columnsOf(input.readings) };
  }
  return { ...stored, id, function: fn, input: { ...input, device }, readings: undefined };
}

export function ofFold(device: string, letter: DeadLetter): HubLetter {
  const { id: name, fold, version, hash, at, kind, message, place, stack, input } = letter;
  const fault = { kind, message, stack, ...(place !== undefined && { place }) };
  const stored = { device, where: 'cloud', name, version, hash, at, replays: 0, fault } as const;
  const head = { ...stored, id: idOf(stored), function: fold };
  if (input.kind === 'event') {
    return { ...head, input: { ...input, value: JSON.stringify(input.value) }, readings: undefined };
  }
  const readings = columnsOf(readingsOf(input.columns));
  return { ...head, input: { kind: 'readings', device: input.device, count: readings.index.length }, readings };
}

/** As its function failed on it. */
export function toFold({ name, function: fold, version, hash, at, fault, input, readings }: HubLetter): DeadLetter {
  const { place, ...said } = fault;
  const letter = { id: name, fold, version, hash, at, ...said, ...(place !== undefined && { place }) };
  if (input.kind === 'event') return { ...letter, input: { ...input, value: JSON.parse(input.value ?? 'null') } };
  return { ...letter, input: { kind: 'readings', device: input.device, columns: readings! } };
}

export function bodyOf({ id: _id, function: _function, readings, ...json }: HubLetter): ItemBody {
  return readings === undefined || readings.index.length === 0 ? { json } : { json, bytes: encoded(readings) };
}

export function fromItem({ partition, sort, json, bytes }: Item): HubLetter {
  const readings = bytes === undefined ? undefined : decoded(bytes);
  return { ...(json as StoredLetter), id: sort, function: partition, readings };
}

export function readingList({ readings }: HubLetter): Reading[] {
  return readings === undefined ? [] : [...readingsOf(readings)];
}

/** A batch without a number, of which no part is ever sent. */
const NO_EPOCH = '-';
/** The hub wrote these bytes itself. */
const LIMITS = { bytesMax: Number.MAX_SAFE_INTEGER, itemsMax: 65_536 };

function encoded(columns: Columns): Uint8Array {
  return encodeBatch({ kind: 'readings', epoch: NO_EPOCH, seq: 0, count: columns.index.length, columns });
}

function decoded(bytes: Uint8Array): Columns {
  const batch = decodeBatch(bytes, LIMITS);
  return batch.kind === 'readings' ? batch.columns : columnsOf([]);
}
