/**
 * What devices hand on to a function that gathers, as it waits in the store.
 *
 *     table `gather` · partition <gatherer> · sort <partition of the log>/<version of its fence>/<n>
 *     json: { parts: [head, …] }, in order · bytes: the batches of those that are readings, one behind the other
 *
 * An item is written by the very write that keeps the step of the device, which is the only one at that version of the
 * fence; and it is removed by the very write that keeps what the function made of it. So it counts once, whatever fails.
 */
import {
  type AlertTransition,
  type Columns,
  columnsOf,
  decodeBatch,
  encodeBatch,
  readingsOf,
  sliceColumns,
} from '@weir/protocols';
import type { Standing } from '@weir/runtime';
import { type Change, ITEM_BYTES_MAX, type Item, type ItemKey } from '../../store/store.ts';

export const GATHER_TABLE = 'gather';

export type PartContent =
  | { kind: 'readings'; columns: Columns }
  | { kind: 'presence'; online: boolean }
  | Standing
  | { kind: 'alerts'; alerts: readonly AlertTransition[] };

/** Of one device, from one input. */
export interface Part {
  device: string;
  /** Arrival of what it comes from, ms since epoch. */
  receivedAt: number;
  content: PartContent;
}

type Head = Omit<Part, 'content'> & {
  content: Exclude<PartContent, { kind: 'readings' }> | { kind: 'readings'; bytes: number };
};

export interface PackedPart {
  head: Head;
  bytes: Uint8Array;
}

/** Of the parts of one item together, but for one that is larger alone. It is what waits that counts, item by item. */
const ITEM_BYTES_TARGET = 131_072;
/** Room for the heads beside the bytes. */
const PART_BYTES_MAX = ITEM_BYTES_MAX - 65_536;
const NO_BYTES = new Uint8Array();

/** Readings that are too many for one item become several parts. */
export function* pack({ content, ...head }: Part): Generator<PackedPart> {
  if (content.kind !== 'readings') {
    yield { head: { ...head, content }, bytes: NO_BYTES };
    return;
  }
  for (const bytes of encodings(content.columns)) {
    yield { head: { ...head, content: { kind: 'readings', bytes: bytes.length } }, bytes };
  }
}

export function unpack({ json, bytes = NO_BYTES }: Item): Part[] {
  let at = 0;
  return (json as { parts: Head[] }).parts.map(({ content, ...head }): Part => {
    if (content.kind !== 'readings') return { ...head, content };
    const columns = decoded(bytes.subarray(at, at + content.bytes));
    at += content.bytes;
    return { ...head, content: { kind: 'readings', columns } };
  });
}

/** Where what a write of a worker hands on stands in the store. */
export interface Stamp {
  partition: number;
  version: number;
}

/** What is handed on to one gatherer by one write, in the items in which it waits. */
export interface HandedOn {
  gatherer: string;
  items: PackedPart[][];
}

export function itemChanges({ gatherer, items }: HandedOn, { partition, version }: Stamp): Change[] {
  return items.map((parts, n): Change => {
    const sort = `${pad(partition, 5)}/${pad(version, 16)}/${pad(n, 3)}`;
    const bytes = Buffer.concat(parts.map((part) => part.bytes));
    const put = { table: GATHER_TABLE, partition: gatherer, sort };
    return { put, json: { parts: parts.map(({ head }) => head) }, ...(bytes.length > 0 && { bytes }) };
  });
}

/** The range of items that one partition of the log has handed on. */
export function rangeOf(partition: number): { from: string; to: string } {
  return { from: pad(partition, 5), to: pad(partition + 1, 5) };
}

/** The partition of the log from which an item comes. */
export function sourceOf({ sort }: Pick<ItemKey, 'sort'>): number {
  return Number(sort.slice(0, 5));
}

/** As few as hold them. */
export function itemsOf(parts: readonly PackedPart[]): PackedPart[][] {
  const items: PackedPart[][] = [];
  let room = 0;
  for (const part of parts) {
    const bytes = sizeOf(part);
    if (bytes > room) {
      items.push([]);
      room = ITEM_BYTES_TARGET;
    }
    items.at(-1)!.push(part);
    room -= bytes;
  }
  return items;
}

/** About what it takes in the store. */
export function sizeOf({ head, bytes }: PackedPart): number {
  const alerts = head.content.kind === 'alerts' ? JSON.stringify(head.content.alerts).length : 0;
  return bytes.length + head.device.length + 100 + alerts;
}

function* encodings(columns: Columns): Generator<Uint8Array> {
  const count = columns.index.length;
  // Built anew: the dictionary may have many series of which none was selected.
  const own = columnsOf(readingsOf(columns));
  const bytes = encodeBatch({ kind: 'readings', epoch: 'gather', seq: 0, count, columns: own });
  if (bytes.length <= PART_BYTES_MAX || count === 1) {
    yield bytes;
    return;
  }
  yield* encodings(sliceColumns(columns, 0, count >>> 1));
  yield* encodings(sliceColumns(columns, count >>> 1, count));
}

function decoded(bytes: Uint8Array): Columns {
  // Written by the hub itself.
  const batch = decodeBatch(bytes, { bytesMax: ITEM_BYTES_MAX, itemsMax: 1_000_000 });
  if (batch.kind !== 'readings') throw new TypeError('what was handed on has no readings');
  return batch.columns;
}

function pad(number: number, digits: number): string {
  return `${number}`.padStart(digits, '0');
}
