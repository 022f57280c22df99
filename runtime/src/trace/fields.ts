/** What a line of a trace says, checked as anything from outside is. */
import { isLabel, isName, isTimestamp, isValue, type Reading } from '@weir/protocols';
import { UsageError } from '../errors.ts';

export interface TraceOptions {
  /** For traces that do not say themselves whose readings they are. */
  sensor?: string | undefined;
  metric?: string | undefined;
  unit?: string | undefined;
}

/** Takes a trace line by line, from the first one on. */
export interface TraceRows {
  /** @param line its number, from 1 on. @throws {UsageError} `trace-invalid` with file and line */
  read(text: string, line: number): Reading[];
}

/** @throws {UsageError} `trace-invalid` */
export function checkReading(fields: { [Key in keyof Reading]?: unknown }, name: string, line: number): Reading {
  const refuse = (what: string, found: unknown, remedy?: string) =>
    faultAt(name, line, `${what}, found ${JSON.stringify(found) ?? 'nothing'}`, remedy);
  const { sensor, metric, value, unit, quality } = fields;
  const ts = typeof fields.ts === 'string' ? parseTime(fields.ts) : fields.ts;
  if (typeof sensor !== 'string' || !isName(sensor))
    throw refuse('a sensor name is wanted', sensor, 'Or give --sensor.');
  if (typeof metric !== 'string' || !isName(metric))
    throw refuse('a metric name is wanted', metric, 'Or give --metric.');
  if (!isValue(value)) throw refuse('a finite number, a boolean or a short text is wanted', value);
  if (!isTimestamp(ts)) throw refuse('a time is wanted (ms or seconds since 1970, or ISO 8601)', fields.ts);
  const reading: Reading = { sensor, metric, value, ts };
  if (unit !== undefined && !isLabel(unit)) throw refuse('a unit is a short text', unit);
  if (quality !== undefined && !isLabel(quality)) throw refuse('a quality is a short text', quality);
  if (unit !== undefined) reading.unit = unit;
  if (quality !== undefined) reading.quality = quality;
  return reading;
}

/**
 * ms since 1970, or seconds, which have three digits less until the year 5138; ISO 8601, or `2013-12-02 21:15:00`, without a
 * zone UTC. Nothing else: `01/02/2026` is in January here and in February there.
 */
function parseTime(text: string): number | undefined {
  if (/^\d{12,}$/.test(text)) return Number(text);
  if (/^\d{9,11}(?:\.\d+)?$/.test(text)) return Math.round(Number(text) * 1_000);
  if (!/^\d{4}-\d\d-\d\d(?:$|[ T])/.test(text)) return undefined;
  const local = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?$/.exec(text);
  const ms = Date.parse(local ? `${local[1]}T${local[2] ?? '00:00'}Z` : text);
  return Number.isNaN(ms) ? undefined : ms;
}

export function faultAt(name: string, line: number | undefined, what: string, remedy?: string): UsageError {
  return new UsageError('trace-invalid', `${name}${line === undefined ? '' : `:${line}`}: ${what}`, remedy);
}
