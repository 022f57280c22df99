/** Files that commands read recorded traces from, and compare what came of them with. */
import { createReadStream, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import type { Columns, Reading } from '@weir/protocols';
import { Failure, Misuse } from '../failure.ts';
import type { Session } from '../session.ts';

export interface TraceSeriesOptions {
  sensor?: string;
  metric?: string;
  unit?: string;
}

export async function readTraceFile(file: string, { sensor, metric, unit }: TraceSeriesOptions): Promise<Reading[]> {
  const { readTrace, TRACE_BYTES_MAX } = await import('@weir/runtime');
  const size = sizeOf(file);
  if (size > TRACE_BYTES_MAX) throw unreadable(file, `it has ${size} bytes, over ${TRACE_BYTES_MAX}`);
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw unreadable(file, (error as Error).message);
  }
  return readTrace(file, bytes, { sensor, metric, unit });
}

/** Of a file with nothing but times and values: a series of those that are looked at. */
export function seriesFor(signal: { sensor?: string; metric?: string } | undefined, file: string): TraceSeriesOptions {
  const { sensor = '*', metric = '*' } = signal ?? {};
  const named = basename(file, extname(file))
    .replaceAll(/[^A-Za-z0-9._:-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64);
  return {
    sensor: sensor === '*' ? named || 'sensor1' : sensor.replaceAll('*', '1'),
    metric: metric === '*' ? 'value' : metric.replaceAll('*', '1'),
  };
}

/** A trace of any size: read once to know of when it is, and that all of it can be read; then as often as one likes. */
export interface TraceFile {
  /** Earliest and latest reading, ms. */
  first: number;
  last: number;
  /** Some of what is in it: `oven1/temperature`. */
  series: string[];
  /** In order of time. */
  parts(): AsyncGenerator<Columns>;
}
/** Of series; more nobody reads. */
const NAMED_MAX = 5;

interface ReadingOn {
  signal: AbortSignal;
  /** @param part from 0 to 1 */
  onProgress(part: number): void;
}

/** Of the file what is to be read at once, bytes. */
const CHUNK_BYTES = 262_144;

/** @throws {Misuse} @throws {Failure} when it is ended */
export async function openTrace(
  file: string,
  series: TraceSeriesOptions,
  { signal, onProgress }: ReadingOn,
): Promise<TraceFile> {
  const { columnsOf } = await import('@weir/protocols');
  const { emptyTrace, inOrder, isTraceOfLines, tracePartsOf } = await import('@weir/runtime');
  const size = sizeOf(file);
  const parts = async function* (onBytes: (count: number) => void = () => {}): AsyncGenerator<Columns> {
    if (isTraceOfLines(file)) yield* tracePartsOf(file, bytesOf(file, onBytes), series);
    else yield columnsOf(await readTraceFile(file, series));
  };
  /** Of each part its earliest. */
  const lows: number[] = [];
  const named = new Set<string>();
  let last = Number.NEGATIVE_INFINITY;
  let read = 0;
  const noted = (count: number) => {
    read += count;
    onProgress(read / size);
  };
  for await (const { ts, series } of parts(noted)) {
    if (signal.aborted) throw new Failure('it was ended before its time: nothing has been looked at');
    const low = ts.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    lows.push(low);
    for (const { sensor, metric } of series) if (named.size < NAMED_MAX) named.add(`${sensor}/${metric}`);
    last = ts.reduce((a, b) => Math.max(a, b), last);
  }
  if (lows.length === 0) throw emptyTrace(file);
  // Nothing from there on is earlier: what has come by then may go.
  for (let i = lows.length - 2; i >= 0; i--) lows[i] = Math.min(lows[i]!, lows[i + 1]!);
  const placed = async function* () {
    let at = 0;
    for await (const columns of parts()) yield { from: lows[at++] ?? Number.NEGATIVE_INFINITY, columns };
  };
  return { first: lows[0]!, last, series: [...named], parts: () => inOrder(placed()) };
}

async function* bytesOf(file: string, onBytes: (count: number) => void): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES })) {
      onBytes(chunk.length);
      yield chunk;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw unreadable(file, (error as Error).message);
  }
}

function sizeOf(file: string): number {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new Misuse(`there is no file ${file}`);
  if (!found.isFile()) throw unreadable(file, 'it is no file');
  return found.size;
}

function unreadable(file: string, why: string): Misuse {
  return new Misuse(`${file} cannot be read: ${why}`);
}

/** @param now what the golden file should hold @throws {Failure} when it holds something else, and is not written */
export async function compareWith(session: Session, now: string, file: string, update: boolean): Promise<void> {
  const { compareGolden } = await import('@weir/runtime');
  let golden: string | undefined;
  try {
    golden = readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw new Misuse(`${file} cannot be read: ${message}`);
    if (!update) throw new Misuse(`${file} is not there`, 'make it by adding --update, then look at it');
  }
  const difference = golden === undefined ? undefined : compareGolden(golden, now);
  if (golden !== undefined && difference === undefined) return session.note(`${file}: as it should be\n`);
  if (update) {
    writeFileSync(file, now);
    return session.note(`${file}: written\n`);
  }
  session.note(`${file} differs\n${difference}`);
  throw new Failure('the outcome is not that of the golden file', 'if it is right now, add --update');
}
