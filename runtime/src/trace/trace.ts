/**
 * Reads a recorded trace: readings in the order in which they arrived, late ones late.
 *
 *     .csv     a header, one row for each time        see csv.ts
 *     .jsonl   one reading a line
 *     .cbor    batches, as protocols/README.md has it
 */
import { BatchError, type Columns, columnsOf, decodeTrace, type Reading, readingsOf } from '@weir/protocols';
import { UsageError } from '../errors.ts';
import { CsvRows } from './csv.ts';
import { checkReading, faultAt, type TraceOptions, type TraceRows } from './fields.ts';

/** What is read whole is held in memory, some 100 bytes for each reading. */
export const TRACE_BYTES_MAX = 268_435_456;
const READINGS_MAX = 2_000_000;
/** A line end of any system. */
const LINE_END = /\r\n|\n|\r/;
/** Readings of one part: what a step takes is far less, and what a part costs beside them is shared by many. */
const PART_READINGS = 20_000;

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
  if (readings.length === 0) throw emptyTrace(name);
  return readings;
}

export function emptyTrace(name: string): UsageError {
  return faultAt(name, undefined, 'there is no reading in it');
}

/** Whether a trace of this name is lines, and may be read part by part. */
export function isTraceOfLines(name: string): boolean {
  return rowsFor(name, {}) !== undefined;
}

/**
 * The same of a trace of lines that is too large to be held, in the order in which it stands there.
 *
 * @param chunks its bytes, cut anywhere
 * @throws {UsageError} `trace-invalid` with file and line
 */
export async function* tracePartsOf(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  options: TraceOptions = {},
): AsyncGenerator<Columns> {
  const rows = rowsFor(name, options);
  if (rows === undefined) throw unknownKind(name);
  let readings: Reading[] = [];
  let line = 0;
  for await (const lines of linesOf(name, chunks)) {
    for (const text of lines) {
      line++;
      for (const reading of rows.read(text, line)) readings.push(reading);
      if (readings.length < PART_READINGS) continue;
      yield columnsOf(readings);
      readings = [];
    }
  }
  if (readings.length > 0) yield columnsOf(readings);
}

/** Whole lines of each chunk; the last one may be empty. */
async function* linesOf(name: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (chunk?: Uint8Array) => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
    } catch {
      throw notUtf8(name);
    }
  };
  let rest = '';
  for await (const chunk of chunks) {
    const text = rest + decode(chunk);
    // What comes behind a CR may be its LF.
    const whole = text.endsWith('\r') ? text.slice(0, -1) : text;
    const lines = whole.split(LINE_END);
    rest = lines.pop()! + text.slice(whole.length);
    yield lines;
  }
  yield (rest + decode()).split(LINE_END);
}

function* readingsIn(name: string, bytes: Uint8Array, options: TraceOptions): Iterable<Reading> {
  if (/\.cbor$/i.test(name)) {
    yield* readCbor(name, bytes);
    return;
  }
  const rows = rowsFor(name, options);
  if (rows === undefined) throw unknownKind(name);
  let line = 0;
  for (const text of textOf(name, bytes).split(LINE_END)) yield* rows.read(text, ++line);
}

function rowsFor(name: string, options: TraceOptions): TraceRows | undefined {
  const kind = /\.(\w+)$/.exec(name)?.[1]?.toLowerCase();
  if (kind === 'csv') return new CsvRows(name, options);
  return kind === 'jsonl' || kind === 'ndjson' ? new JsonRows(name, options) : undefined;
}

function unknownKind(name: string): UsageError {
  return new UsageError('trace-invalid', `${name}: what kind of trace is it?`, 'Give a .csv, .jsonl or .cbor file.');
}

function textOf(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw notUtf8(name);
  }
}

function notUtf8(name: string): UsageError {
  return faultAt(name, undefined, 'it is not UTF-8', 'Save it as UTF-8, e.g. iconv -f UTF-16 -t UTF-8.');
}

function* readCbor(name: string, bytes: Uint8Array): Generator<Reading> {
  try {
    for (const batch of decodeTrace(bytes)) if (batch.kind === 'readings') yield* readingsOf(batch.columns);
  } catch (error) {
    if (error instanceof BatchError) throw faultAt(name, undefined, error.message);
    throw error;
  }
}

class JsonRows implements TraceRows {
  readonly #name: string;
  readonly #options: TraceOptions;

  constructor(name: string, options: TraceOptions) {
    this.#name = name;
    this.#options = options;
  }

  read(text: string, line: number): Reading[] {
    if (text.trim() === '') return [];
    const { sensor, metric, unit } = this.#options;
    let fields: unknown;
    try {
      fields = JSON.parse(text);
    } catch (error) {
      throw faultAt(this.#name, line, (error as Error).message);
    }
    if (typeof fields !== 'object' || fields === null) throw faultAt(this.#name, line, 'a reading is a JSON object');
    return [checkReading({ sensor, metric, unit, ...fields }, this.#name, line)];
  }
}
