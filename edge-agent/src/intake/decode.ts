import {
  BatchError,
  type BatchLimits,
  decodeBatch,
  decodePayload,
  PayloadError,
  type Reading,
  readingsOf,
} from '@weir/protocols';

export interface Decoded {
  readings: Iterable<Reading>;
}

export interface Faulty {
  /** A closed list: payload faults, and `batch-…` for CBOR. */
  fault: string;
  detail: string;
}

/** A CBOR map begins so; neither is the first byte of UTF-8 text. @see RFC 8949 sections 3.1 and 3.4.6 */
const MAP_FIRST = 0xa0;
const MAP_LAST = 0xbf;
const SELF_DESCRIBED = [0xd9, 0xd9, 0xf7];

/** A payload as readings: a CBOR batch, JSON or a plain number. */
export function decode(
  payload: Uint8Array,
  route: { sensor: string; metric: string | undefined },
  now: number,
  limits: BatchLimits,
): Decoded | Faulty {
  try {
    const first = payload[0];
    if (first === SELF_DESCRIBED[0] && SELF_DESCRIBED.every((byte, at) => payload[at] === byte)) {
      return fromBatch(payload.subarray(SELF_DESCRIBED.length), limits);
    }
    if (first !== undefined && first >= MAP_FIRST && first <= MAP_LAST) return fromBatch(payload, limits);
    const { sensor, metric } = route;
    return { readings: decodePayload(payload, metric === undefined ? { sensor, now } : { sensor, metric, now }) };
  } catch (error) {
    if (error instanceof PayloadError) return { fault: error.code, detail: error.message };
    if (error instanceof BatchError) return { fault: `batch-${error.code}`, detail: error.message };
    throw error;
  }
}

function fromBatch(bytes: Uint8Array, limits: BatchLimits): Decoded | Faulty {
  const batch = decodeBatch(bytes, limits);
  if (batch.kind !== 'readings') return { fault: 'batch-value', detail: `sensors send readings, not ${batch.kind}` };
  return { readings: readingsOf(batch.columns) };
}
