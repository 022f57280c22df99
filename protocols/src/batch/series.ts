import { byteLength, isLabel, isName, LABEL_BYTES_MAX, TEXT_BYTES_MAX } from '../reading.ts';
import { BatchError } from './batch-error.ts';
import type { CborValue } from './cbor.ts';
import type { Series, ValueKind } from './columns.ts';
import { describe, malformed } from './fields.ts';

const KINDS: readonly ValueKind[] = ['number', 'boolean', 'string'];

export function encodeSeries(series: Series): CborValue[] {
  const entry: CborValue[] = [series.sensor, series.metric, KINDS.indexOf(series.kind)];
  if (series.unit !== undefined || series.quality !== undefined) entry.push(series.unit ?? null);
  if (series.quality !== undefined) entry.push(series.quality);
  return entry;
}

export function decodeSeries(entry: CborValue, at: number): Series {
  if (!Array.isArray(entry) || entry.length < 3 || entry.length > 5) throw malformed(`s[${at}]`, 'a series', entry);
  const [sensor, metric, kindNumber, unit, quality] = entry;
  const kind = typeof kindNumber === 'number' ? KINDS[kindNumber] : undefined;
  if (typeof sensor !== 'string' || !isName(sensor)) throw malformed(`s[${at}]`, 'a sensor name', sensor);
  if (typeof metric !== 'string' || !isName(metric)) throw malformed(`s[${at}]`, 'a metric name', metric);
  if (kind === undefined) throw malformed(`s[${at}]`, 'a value kind 0, 1 or 2', kindNumber);
  const series: Series = { sensor, metric, kind };
  if (unit !== undefined && unit !== null) series.unit = shortText(unit, `s[${at}] unit`);
  if (quality !== undefined && quality !== null) series.quality = shortText(quality, `s[${at}] quality`);
  return series;
}

function shortText(value: CborValue, where: string): string {
  if (isLabel(value)) return value;
  throw malformed(where, `a text of 1 to ${LABEL_BYTES_MAX} bytes`, value);
}

export function decodeStrings(list: CborValue | undefined): string[] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw malformed('w', 'a list of texts', list);
  for (const text of list) {
    if (typeof text !== 'string' || byteLength(text) > TEXT_BYTES_MAX) {
      throw new BatchError('value', `w: a text of at most ${TEXT_BYTES_MAX} bytes wanted, found ${describe(text)}`);
    }
  }
  return list as string[];
}
