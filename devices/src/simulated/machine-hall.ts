import type { Fault } from './fault.ts';
import type { Signal } from './signal.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * A hall with an oven, a press and a motor.
 *
 * @param demo the oven overheats at once and then every 40 seconds: over 80 Cel within about 4 seconds of the start, under
 *     75 Cel about 8 seconds later; for somebody who watches
 */
export function machineHall({ demo = false }: { demo?: boolean } = {}): Signal[] {
  return [...oven('oven2', demo), ...press('press1'), ...motor('motor1')];
}

const OVERHEATS_IN_DEMO: Fault = {
  kind: 'excursion',
  name: 'overheating',
  timing: 'fixed',
  firstMs: 1500,
  gapMs: 40 * SECOND_MS,
  lastsMs: 8 * SECOND_MS,
  size: 20,
  tauMs: 2 * SECOND_MS,
};

const OVERHEATS: Fault = {
  kind: 'excursion',
  name: 'overheating',
  timing: 'chance',
  gapMs: 8 * HOUR_MS,
  lastsMs: 15 * MINUTE_MS,
  size: 22,
  tauMs: 4 * MINUTE_MS,
};

function oven(sensor: string, demo: boolean): Signal[] {
  return [
    {
      sensor,
      metric: 'temperature',
      unit: 'Cel',
      everyMs: demo ? 500 : SECOND_MS,
      base: 68,
      dailyAmplitude: 1.2,
      driftPerDay: 0.05,
      noise: 0.25,
      resolution: 0.1,
      faults: [demo ? OVERHEATS_IN_DEMO : OVERHEATS],
    },
    { sensor, metric: 'power', unit: 'kW', everyMs: 5 * SECOND_MS, base: 11.5, noise: 0.2, resolution: 0.01, min: 0 },
  ];
}

function press(sensor: string): Signal[] {
  return [
    {
      sensor,
      metric: 'pressure',
      unit: 'bar',
      everyMs: 200,
      base: 140,
      cycle: { amplitude: 35, periodMs: 4 * SECOND_MS },
      noise: 0.8,
      resolution: 0.1,
      min: 0,
      faults: [
        { kind: 'spike', name: 'contact', timing: 'chance', gapMs: HOUR_MS, lastsMs: SECOND_MS, size: 90 },
        { kind: 'stuck', name: 'stuck', timing: 'chance', gapMs: 48 * HOUR_MS, lastsMs: 10 * MINUTE_MS },
      ],
    },
    {
      sensor,
      metric: 'oil_temperature',
      unit: 'Cel',
      everyMs: 10_000,
      base: 47,
      dailyAmplitude: 2,
      noise: 0.1,
      resolution: 0.1,
    },
  ];
}

function motor(sensor: string): Signal[] {
  const wear = { name: 'bearing-wear', timing: 'chance', gapMs: 96 * HOUR_MS, lastsMs: 24 * HOUR_MS } as const;
  return [
    {
      sensor,
      metric: 'vibration_rms',
      unit: 'mm/s',
      everyMs: SECOND_MS,
      base: 1.8,
      noise: 0.12,
      resolution: 0.01,
      min: 0,
      faults: [
        { ...wear, kind: 'wear', size: 7 },
        { kind: 'dropout', name: 'radio', timing: 'chance', gapMs: 12 * HOUR_MS, lastsMs: MINUTE_MS },
      ],
    },
    {
      sensor,
      metric: 'temperature',
      unit: 'Cel',
      everyMs: 5 * SECOND_MS,
      base: 54,
      dailyAmplitude: 2.5,
      noise: 0.15,
      resolution: 0.1,
      faults: [{ ...wear, kind: 'wear', size: 18 }],
    },
    { sensor, metric: 'current', unit: 'A', everyMs: SECOND_MS, base: 14.2, noise: 0.3, resolution: 0.1, min: 0 },
    { sensor, metric: 'speed', unit: '/min', everyMs: SECOND_MS, base: 1480, noise: 3, resolution: 1, min: 0 },
  ];
}
