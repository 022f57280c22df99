/** Samples that wait, as they are kept: a subject may have hundreds of them, and most are of its own series. */
import type { Value } from '@weir/protocols';
import type { Sample } from '../conditions/condition.ts';
import type { Subject } from '../conditions/signals.ts';

/** `series` is null for the subject's own. */
export type PackedSample = [ts: number, value: Value, series?: string | null, unit?: string | null, quality?: string];

export function packed({ ts, value, unit, quality, ...name }: Sample, own: Subject): PackedSample {
  const key = seriesKey(name);
  const series = key === ownKey(own) ? null : key;
  if (quality !== undefined) return [ts, value, series, unit ?? null, quality];
  if (unit !== undefined) return [ts, value, series, unit];
  return series === null ? [ts, value] : [ts, value, series];
}

export function unpacked([ts, value, series, unit, quality]: PackedSample, own: Subject): Sample {
  const sample: Sample = { ...namesIn(series ?? ownKey(own)), ts, value };
  if (unit !== undefined && unit !== null) sample.unit = unit;
  if (quality !== undefined) sample.quality = quality;
  return sample;
}

export function seriesKey({ device, sensor, metric }: Pick<Sample, 'device' | 'sensor' | 'metric'>): string {
  return `${device}/${sensor}/${metric}`;
}

/** The device of a key; what gathers the readings of a group has a name with a stroke in it. */
export function deviceOf(key: string): string {
  return namesIn(key).device;
}

function namesIn(key: string): { device: string; sensor: string; metric: string } {
  const parts = key.split('/');
  const [sensor = '', metric = ''] = parts.splice(-2);
  return { device: parts.join('/'), sensor, metric };
}

/** Of a subject that is one series; empty for others. */
export function ownKey({ device, sensor, metric }: Subject): string {
  return device === undefined || sensor === undefined || metric === undefined
    ? ''
    : seriesKey({ device, sensor, metric });
}

export function isSame(a: Sample, b: Sample): boolean {
  return a.ts === b.ts && a.value === b.value && seriesKey(a) === seriesKey(b);
}

/** In order of time, behind those of the same. */
export function insert(samples: Sample[], sample: Sample): void {
  let at = samples.length;
  while (at > 0 && samples[at - 1]!.ts > sample.ts) at--;
  samples.splice(at, 0, sample);
}
