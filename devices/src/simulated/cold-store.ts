import type { Signal } from './signal.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * A cold store with two rooms for food at 4 Cel: a compressor that cycles, a door that is left open now and then, and the
 * faults that loggers in cold rooms have.
 */
export function coldStore(): Signal[] {
  return ['coldroom1', 'coldroom2'].flatMap((room, at) => coldRoom(room, 4 - at));
}

function coldRoom(sensor: string, base: number): Signal[] {
  const doorOpen = {
    name: 'door-left-open',
    timing: 'chance',
    gapMs: 6 * HOUR_MS,
    lastsMs: 12 * MINUTE_MS,
  } as const;
  return [
    {
      sensor,
      metric: 'temperature',
      unit: 'Cel',
      everyMs: 10_000,
      base,
      dailyAmplitude: 0.3,
      cycle: { amplitude: 0.6, periodMs: 18 * MINUTE_MS },
      driftPerDay: 0.01,
      noise: 0.05,
      resolution: 0.1,
      faults: [
        { ...doorOpen, kind: 'excursion', size: 9, tauMs: 8 * MINUTE_MS },
        { kind: 'stuck', name: 'stuck', timing: 'chance', gapMs: 72 * HOUR_MS, lastsMs: 20 * MINUTE_MS },
        { kind: 'dropout', name: 'radio', timing: 'chance', gapMs: 24 * HOUR_MS, lastsMs: 5 * MINUTE_MS },
      ],
    },
    {
      sensor,
      metric: 'humidity',
      unit: '%',
      everyMs: 30_000,
      base: 82,
      dailyAmplitude: 1,
      cycle: { amplitude: 3, periodMs: 18 * MINUTE_MS },
      noise: 0.6,
      resolution: 1,
      min: 0,
      max: 100,
      faults: [
        { ...doorOpen, kind: 'excursion', size: -25, tauMs: 4 * MINUTE_MS },
        { kind: 'dropout', name: 'radio', timing: 'chance', gapMs: 24 * HOUR_MS, lastsMs: 5 * MINUTE_MS },
      ],
    },
    {
      sensor,
      metric: 'door_open',
      everyMs: 5_000,
      base: 0,
      resolution: 1,
      contact: true,
      faults: [{ ...doorOpen, kind: 'step', size: 1 }],
    },
  ];
}
