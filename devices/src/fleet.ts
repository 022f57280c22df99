/** Composition: the signals of the plants one asks for, as one stream of readings in order of time. */
import type { Reading } from '@weir/protocols';
import { coldStore } from './simulated/cold-store.ts';
import { machineHall } from './simulated/machine-hall.ts';
import { type Run, type Signal, samplesOf } from './simulated/signal.ts';

export const PLANTS = ['cold-store', 'machine-hall', 'all'] as const;
export type Plant = (typeof PLANTS)[number];

export function signalsOf(plant: Plant, options: { demo?: boolean } = {}): Signal[] {
  if (plant === 'cold-store') return coldStore();
  if (plant === 'machine-hall') return machineHall(options);
  return [...coldStore(), ...machineHall(options)];
}

/** Readings a second, all signals together. */
export function naturalRate(signals: readonly Signal[]): number {
  return signals.reduce((sum, { everyMs }) => sum + 1000 / everyMs, 0);
}

export function* fleetReadings(signals: readonly Signal[], run: Run): Generator<Reading, never> {
  const streams = signals.map((signal) => {
    const samples = samplesOf(signal, run);
    return { samples, next: samples.next().value };
  });
  while (true) {
    const earliest = streams.reduce((first, stream) => (stream.next.ts < first.next.ts ? stream : first));
    yield earliest.next;
    earliest.next = earliest.samples.next().value;
  }
}
