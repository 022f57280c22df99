import type { KeptState, StepRequest } from '../sandbox/protocol.ts';

/** What a step of a function is about. */
export type StepContent = Pick<StepRequest, 'columns' | 'marks' | 'schedules' | 'timersUntil' | 'event'>;

/** Where an input stands, and when it came. */
export interface InputPlace {
  /** Names the input for ever. */
  position: string;
  /** Arrival, ms since epoch. */
  receivedAt: number;
  /** Whose it is; default: the device of the host. */
  device?: string;
}

/** Event time of the latest input, ms. */
export function momentOf({ columns, schedules = [], timersUntil = 0, event }: StepContent): number {
  let latest = Math.max(event?.at ?? 0, timersUntil, ...schedules.map(({ at }) => at));
  for (const ts of columns?.ts ?? []) if (ts > latest) latest = ts;
  return latest;
}

export function earliestTimer(states: ReadonlyMap<string, KeptState>): number | undefined {
  const dues = [...states.values()].flatMap(({ timers }) => timers?.map(([, due]) => due) ?? []);
  return dues.length === 0 ? undefined : dues.reduce((a, b) => Math.min(a, b));
}
