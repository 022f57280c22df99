import { type Columns, type Series, valueAt } from '@weir/protocols';
import { plausibleTs } from '../fold/plausible.ts';
import type { Sample } from './conditions/condition.ts';

/** A reading as conditions take it. @param i its place */
export function sampleAt(columns: Columns, i: number, device: string, receivedAt: number): Sample {
  const { sensor, metric, unit, quality }: Series = columns.series[columns.index[i]!]!;
  const ts = plausibleTs(columns.ts[i]!, receivedAt);
  const sample: Sample = { device, sensor, metric, ts, value: valueAt(columns, i) };
  if (unit !== undefined) sample.unit = unit;
  if (quality !== undefined) sample.quality = quality;
  return sample;
}
