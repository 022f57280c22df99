/**
 * The uplink message: one CBOR map. `protocols/README.md` is the specification; this is its code.
 *
 *     { v: 2, e: epoch, q: seq, g?: generation,
 *       n: count, t: first ts, s: series, i: index, d: times, x: values, w?: strings }                           readings
 *     { v: 1, e: epoch, q: seq, a: [transition, …] }                                                              alerts
 *     { v: 1, e: epoch, q: seq, r: [report as JSON, …] }                                                          reports
 *
 * A lane numbers its items (readings, alert transitions, or reports) from 0 upwards within an epoch. A batch carries the
 * items `seq` … `seq + count - 1`, so the same items may be cut into other batches when they are sent again, and a
 * missing range counts exactly what was lost.
 */
import type { AlertTransition } from '../alert/transition.ts';
import { EPOCH_PATTERN } from '../epoch.ts';
import { encodeReport, REPORTS_PER_BATCH_MAX, type Report } from '../report/report.ts';
import { BatchError } from './batch-error.ts';
import { CborError, type CborValue, decodeCbor, encodeCbor, isCborMap } from './cbor.ts';
import type { Columns } from './columns.ts';
import { describe, isCount, malformed } from './fields.ts';
import { alertItems, itemsBetween, type RefusedItem, reportItems } from './items.ts';
import { decodeReadings, encodeReadings } from './readings.ts';

/** Of readings; alerts and reports have not changed since version 1. */
export const BATCH_VERSION = 2;

export const GENERATION_PATTERN = /^[A-Za-z0-9_-]{1,48}$/;

export interface BatchHead {
  /** One life of the agent's outbox and one run of the agent, as `epoch.ts` says. */
  epoch: string;
  /** Number of the first item within (device, lane, epoch). */
  seq: number;
  /** Items in the batch. */
  count: number;
  /** Of readings that were numbered anew, when their backlog was thinned out: no two such numberings have the same word. */
  generation?: string | undefined;
}

export type Batch =
  | (BatchHead & { kind: 'readings'; columns: Columns })
  | (BatchHead & {
      kind: 'alerts';
      /** In order; `count` less those refused. */
      alerts: AlertTransition[];
      /** In order; absent when there are none. A batch that is to be sent has none. */
      refused?: RefusedItem[];
    })
  | (BatchHead & { kind: 'reports'; reports: Report[]; refused?: RefusedItem[] });

export interface BatchLimits {
  /** Payload bytes; AWS IoT Core takes 128 KiB. */
  bytesMax: number;
  /** Items; bounds what a constant column of a few bytes can claim. */
  itemsMax: number;
}

export const BATCH_LIMITS: BatchLimits = { bytesMax: 131_072, itemsMax: 65_536 };

export function encodeBatch(batch: Batch): Uint8Array<ArrayBuffer> {
  const { epoch: e, seq: q, generation: g } = batch;
  if (batch.kind === 'alerts') return encodeCbor({ v: 1, e, q, a: batch.alerts as unknown as CborValue[] });
  if (batch.kind === 'reports') return encodeCbor({ v: 1, e, q, r: batch.reports.map(encodeReport) });
  return encodeCbor({ v: BATCH_VERSION, e, q, ...(g !== undefined && { g }), ...encodeReadings(batch.columns) });
}

/**
 * A batch of alerts, or of reports, comes without those that are none: the others of the batch are sound.
 *
 * @throws {BatchError} whose code says why; of readings nothing is returned in part.
 */
export function decodeBatch(bytes: Uint8Array, limits: BatchLimits = BATCH_LIMITS): Batch {
  if (bytes.length > limits.bytesMax)
    throw new BatchError('too-large', `${bytes.length} bytes, over ${limits.bytesMax}`);
  const map = decodeMap(bytes, limits);
  if (map.v !== 1 && map.v !== BATCH_VERSION) {
    throw new BatchError('version', `batch version ${describe(map.v)}, this end speaks up to ${BATCH_VERSION}`);
  }
  const epoch = map.e;
  const seq = map.q;
  if (typeof epoch !== 'string' || !EPOCH_PATTERN.test(epoch)) throw malformed('e', 'an epoch', epoch);
  if (!isCount(seq, Number.MAX_SAFE_INTEGER - limits.itemsMax)) throw malformed('q', 'a sequence number', seq);
  if (map.a !== undefined) {
    const { count, sound, refused } = alertItems(listOf(map.a, 'a', 'a list of alert transitions'));
    return { kind: 'alerts', epoch, seq, count, alerts: sound, ...(refused.length > 0 && { refused }) };
  }
  if (map.r !== undefined) {
    const list = listOf(map.r, 'r', 'a list of reports');
    if (list.length > REPORTS_PER_BATCH_MAX)
      throw new BatchError('too-large', `${list.length} reports, over ${REPORTS_PER_BATCH_MAX}`);
    const { count, sound, refused } = reportItems(list);
    return { kind: 'reports', epoch, seq, count, reports: sound, ...(refused.length > 0 && { refused }) };
  }
  const generation = map.g;
  if (generation !== undefined && !(typeof generation === 'string' && GENERATION_PATTERN.test(generation)))
    throw malformed('g', 'a generation', generation);
  const columns = decodeReadings(map, map.v, limits.itemsMax);
  const numbered = generation !== undefined && { generation };
  return { kind: 'readings', epoch, seq, count: columns.index.length, ...numbered, columns };
}

function decodeMap(bytes: Uint8Array, limits: BatchLimits): { [key: string]: CborValue } {
  try {
    const value = decodeCbor(bytes, { depthMax: 5, itemsMax: limits.itemsMax });
    if (isCborMap(value)) return value;
  } catch (error) {
    if (error instanceof CborError) throw new BatchError(error.code, `CBOR: ${error.message}`);
    throw error;
  }
  throw new BatchError('malformed', 'a batch is a CBOR map');
}

function listOf(value: CborValue, key: string, wanted: string): CborValue[] {
  if (Array.isArray(value) && value.length > 0) return value;
  throw malformed(key, wanted, value);
}

/** The alerts at the positions `from` (inclusive) to `to` (exclusive) of a batch. */
export function alertsBetween(batch: Batch & { kind: 'alerts' }, from: number, to: number): AlertTransition[] {
  return itemsBetween(batch.alerts, batch.refused ?? [], from, to);
}

export function reportsBetween(batch: Batch & { kind: 'reports' }, from: number, to: number): Report[] {
  return itemsBetween(batch.reports, batch.refused ?? [], from, to);
}
