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
  const [device, sensor, metric] = (series ?? ownKey(own)).split('/') as [string, string, string];
  const sample: Sample = { device, sensor, metric, ts, value };
  if (unit !== undefined && unit !== null) sample.unit = unit;
  if (quality !== undefined) sample.quality = quality;
  return sample;
}

export function seriesKey({ device, sensor, metric }: Pick<Sample, 'device' | 'sensor' | 'metric'>): string {
  return `${device}/${sensor}/${metric}`;
}

/** Of a subject that is one series; empty for others. */
export function ownKey({ device, sensor, metric }: Subject): string {
  return device === undefined || sensor === undefined || metric === undefined
    ? ''
    : seriesKey({ device, sensor, metric });
}
