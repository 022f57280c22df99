import type { Json, Measure, Value } from '@weir/protocols';
import type { TimeMove } from '../../fold/move-time.ts';
import { LastGauge } from './last.ts';
import { SlidingGauge } from './sliding.ts';
import { TumblingGauge } from './tumbling.ts';

/** The measure of one series. */
export interface Gauge {
  /** @param value undefined: there was a reading, and it says nothing */
  add(ts: number, value: Value | undefined): void;
  /** Undefined: not known. */
  valueAt(now: number): Value | undefined;
  /** When its value may be another one though nothing comes. */
  dueAt(now: number): number | undefined;
  readonly state: Json;
  moveTime(move: TimeMove): void;
}

export function createGauge(measure: Measure, state: Json | undefined): Gauge {
  if (measure.kind === 'last') return new LastGauge(state);
  const { window } = measure;
  return window.mode === 'sliding' ? new SlidingGauge(measure, state) : new TumblingGauge(measure, state);
}
