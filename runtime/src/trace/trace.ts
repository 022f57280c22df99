/**
 * Reads a recorded trace: readings in the order in which they arrived, late ones late.
 *
 *     .csv     a header, one row for each time        see csv.ts
 *     .jsonl   one reading a line
 *     .cbor    batches, as protocols/README.md has it
 */
import { BatchError, decodeTrace, type Reading, readingsOf } from '@weir/protocols';
import { UsageError } from '../errors.ts';
import { readCsv } from './csv.ts';
import { checkReading, faultAt, type TraceOptions } from './fields.ts';

/** A trace is held in memory whole, some 100 bytes for each reading. */
export const TRACE_BYTES_MAX = 268_435_456;
const READINGS_MAX = 2_000_000;

/**
 * @param name whose extension says what `bytes` are, and how errors call the trace
 * @throws {UsageError} `trace-invalid` with file and line
 */
export function readTrace(name: string, bytes: Uint8Array, options: TraceOptions = {}): Reading[] {
  const readings: Reading[] = [];
  for (const reading of readingsIn(name, bytes, options)) {
    if (readings.length === READINGS_MAX) throw faultAt(name, undefined, `more than ${READINGS_MAX} readings`);
    readings.push(reading);
  }
  if (readings.length === 0) throw faultAt(name, undefined, 'there is no reading in it');
  return readings;
}

function readingsIn(name: string, bytes: Uint8Array, options: TraceOptions): Iterable<Reading> {
  const kind = /\.(\w+)$/.exec(name)?.[1]?.toLowerCase();
  if (kind === 'cbor') return readCbor(name, bytes);
  if (kind === 'csv') return readCsv(name, textOf(name, bytes), options);
  if (kind === 'jsonl' || kind === 'ndjson') return readJsonLines(name, textOf(name, bytes), options);
  throw new UsageError('trace-invalid', `${name}: what kind of trace is it?`, 'Give a .csv, .jsonl or .cbor file.');
}

function textOf(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw faultAt(name, undefined, 'it is not UTF-8');
  }
}

function* readCbor(name: string, bytes: Uint8Array): Generator<Reading> {
  try {
    for (const batch of decodeTrace(bytes)) if (batch.kind === 'readings') yield* readingsOf(batch.columns);
  } catch (error) {
    if (error instanceof BatchError) throw faultAt(name, undefined, error.message);
    throw error;
  }
}

function* readJsonLines(name: string, text: string, { sensor, metric, unit }: TraceOptions): Generator<Reading> {
  let line = 0;
  for (const row of text.split('\n')) {
    line++;
    if (row.trim() === '') continue;
    let fields: unknown;
    try {
      fields = JSON.parse(row);
    } catch (error) {
      throw faultAt(name, line, (error as Error).message);
    }
    if (typeof fields !== 'object' || fields === null) throw faultAt(name, line, 'a reading is a JSON object');
    yield checkReading({ sensor, metric, unit, ...fields }, name, line);
  }
}
