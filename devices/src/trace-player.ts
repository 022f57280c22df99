/**
 * Plays a recorded trace: CSV with a header that names `timestamp` and `value`, rows in order of time.
 *
 *     timestamp,value
 *     2013-12-02 21:15:00,73.96732207          UTC; ISO 8601 with a zone and milliseconds since epoch are read as well
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { isTimestamp, type Reading } from '@weir/protocols';

export interface TraceRow {
  /** Milliseconds since epoch, as recorded. */
  ts: number;
  value: number;
}

export class TraceError extends Error {
  readonly code: 'unreadable' | 'header' | 'row';

  constructor(code: TraceError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TraceError';
    this.code = code;
  }
}

/** @throws {TraceError} which names the file, and the line at fault. */
export async function* readTrace(file: string): AsyncGenerator<TraceRow> {
  const input = createReadStream(file, 'utf8');
  let lineNumber = 0;
  let at: { timestamp: number; value: number } | undefined;
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      lineNumber++;
      if (at === undefined) at = parseHeader(line, file);
      else if (line.trim() !== '') yield parseRow(line.split(','), at, `${file}, line ${lineNumber}`);
    }
  } catch (error) {
    if (error instanceof TraceError) throw error;
    throw new TraceError('unreadable', `${file}: ${(error as Error).message}`, { cause: error });
  } finally {
    input.destroy();
  }
  if (at === undefined) throw new TraceError('header', `${file} is empty`);
}

function parseHeader(line: string, file: string): { timestamp: number; value: number } {
  const names = line.split(',').map((name) => name.trim().toLowerCase());
  const at = { timestamp: names.indexOf('timestamp'), value: names.indexOf('value') };
  if (at.timestamp >= 0 && at.value >= 0) return at;
  throw new TraceError('header', `${file}: the first line must name the columns timestamp and value`);
}

function parseRow(cells: string[], at: { timestamp: number; value: number }, where: string): TraceRow {
  const ts = parseTime(cells[at.timestamp]?.trim() ?? '');
  if (ts === undefined) throw new TraceError('row', `${where}: ${JSON.stringify(cells[at.timestamp])} is no time`);
  const text = cells[at.value]?.trim() ?? '';
  const value = Number(text);
  if (text === '' || !Number.isFinite(value))
    throw new TraceError('row', `${where}: ${JSON.stringify(text)} is no number`);
  return { ts, value };
}

function parseTime(text: string): number | undefined {
  if (/^\d{10,}$/.test(text)) return isTimestamp(Number(text)) ? Number(text) : undefined;
  const local = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)$/.exec(text);
  const ms = Date.parse(local ? `${local[1]}T${local[2]}Z` : text);
  return isTimestamp(ms) ? ms : undefined;
}

export interface Play {
  sensor: string;
  metric: string;
  unit?: string;
  /** Recorded time passes so many times as fast. */
  speed: number;
  /** When the first row is played, ms since epoch. */
  startTs: number;
  /** Readings keep the time that was recorded; otherwise they get the time at which they are played. */
  originalTime?: boolean;
}

/** A reading, and when to send it. */
export interface Due {
  reading: Reading;
  dueTs: number;
}

export async function* playTrace(rows: AsyncIterable<TraceRow>, play: Play): AsyncGenerator<Due> {
  let firstTs: number | undefined;
  for await (const row of rows) {
    firstTs ??= row.ts;
    const dueTs = Math.round(play.startTs + (row.ts - firstTs) / play.speed);
    const reading: Reading = {
      sensor: play.sensor,
      metric: play.metric,
      value: row.value,
      ts: play.originalTime ? row.ts : dueTs,
    };
    if (play.unit !== undefined) reading.unit = play.unit;
    yield { reading, dueTs };
  }
}
