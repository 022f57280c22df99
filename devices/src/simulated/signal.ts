/** A signal of a sensor: base + daily cycle + working cycle + drift + noise, with faults, in the sensor's resolution. */
import type { Reading } from '@weir/protocols';
import { type Fault, FaultEffect } from './fault.ts';
import { createRandom } from './random.ts';

export interface Signal {
  sensor: string;
  metric: string;
  /** UCUM symbol, e.g. `Cel`, `mm/s`. */
  unit?: string;
  /** Milliseconds between two samples. */
  everyMs: number;
  base: number;
  /** Highest at 15:00 UTC, lowest at 03:00, this much away from the base. */
  dailyAmplitude?: number;
  /** What switches on and off by itself, such as a compressor: a triangle of this height around the base. */
  cycle?: { amplitude: number; periodMs: number };
  driftPerDay?: number;
  /** Standard deviation. */
  noise?: number;
  /** Smallest step the sensor shows. */
  resolution: number;
  /** No lower than this: a speed, a vibration. */
  min?: number;
  max?: number;
  /** A contact: true at 0.5 and over. */
  contact?: boolean;
  faults?: Fault[];
}

export interface Run {
  seed: number;
  /** Time of the first samples, ms since epoch. */
  startTs: number;
  /** Samples come so many times as often; 1 is the sensor's own rate. */
  rateFactor?: number;
}

const DAY_MS = 86_400_000;
const WARMEST_MS = 15 * 3_600_000;

/** The readings of one signal in order of time, for ever; the same seed and start give the same readings. */
export function* samplesOf(signal: Signal, { seed, startTs, rateFactor = 1 }: Run): Generator<Reading, never> {
  const random = createRandom(seed, `${signal.sensor}/${signal.metric}`);
  const effects = (signal.faults ?? []).map((fault) => new FaultEffect(fault, signal.sensor, seed, random));
  const stepMs = signal.everyMs / rateFactor;
  // Sensors do not tick together.
  const phaseMs = random.uniform() * Math.min(stepMs, 1000);
  for (let i = 0; ; i++) {
    const at = phaseMs + i * stepMs;
    let value: number | undefined = healthy(signal, at, startTs) + (signal.noise ?? 0) * random.normal();
    for (const effect of effects) if (value !== undefined) value = effect.apply(at, value);
    if (value === undefined) continue;
    const { sensor, metric, unit } = signal;
    const reading: Reading = { sensor, metric, value: shown(signal, value), ts: Math.round(startTs + at) };
    if (unit !== undefined) reading.unit = unit;
    yield reading;
  }
}

function healthy({ base, dailyAmplitude = 0, driftPerDay = 0, cycle }: Signal, at: number, startTs: number): number {
  const daily = dailyAmplitude * Math.cos((2 * Math.PI * (startTs + at - WARMEST_MS)) / DAY_MS);
  const phase = cycle === undefined ? 0 : ((startTs + at) % cycle.periodMs) / cycle.periodMs;
  const working = cycle === undefined ? 0 : cycle.amplitude * (Math.abs(4 * phase - 2) - 1);
  return base + daily + working + (driftPerDay * at) / DAY_MS;
}

function shown({ resolution, min, max, contact }: Signal, value: number): number | boolean {
  if (contact) return value >= 0.5;
  const bounded = Math.min(max ?? value, Math.max(min ?? value, value));
  // Division by a whole number keeps 21.3 from being 21.300000000000001.
  const stepsPerUnit = Math.round(1 / resolution);
  return resolution < 1
    ? Math.round(bounded * stepsPerUnit) / stepsPerUnit
    : Math.round(bounded / resolution) * resolution;
}
