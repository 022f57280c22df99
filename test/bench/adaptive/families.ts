/**
 * Families of series as they come from buildings, machines, servers and roads, each with its parameters drawn: levels, noise,
 * hours of work, lengths of cycles, intervals, zones. What can be wrong with them is in `faults.ts`.
 */
import type { FaultName } from './faults.ts';
import { MACHINES } from './machines.ts';
import { SERVED } from './served.ts';
import type { Draw } from './synthetic.ts';

export type Series = (at: number) => number;

export interface Family {
  days: number;
  /** Drawn once a trace. */
  intervalMs: readonly number[];
  /** Share by which it varies; at times nothing comes for hours. */
  irregular?: number;
  faults: readonly FaultName[];
  make(draw: Draw): Series;
}

export const FAMILIES: Record<string, Family> = { ...SERVED, ...MACHINES };
