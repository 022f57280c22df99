/** Where a run is killed: drawn from its seed. */
import type { Tuning } from './agent-process.ts';
import { chance } from './readings.ts';

export interface KillPoint {
  target: 'agent' | 'sandbox' | 'both';
  /**
   *     step    behind the commit of that number, some microseconds later
   *     write   behind that commit, as soon as the next transaction begins to be written
   *     start   while the agent that was started after the point before comes up
   */
  moment: 'step' | 'write' | 'start';
  step: number;
  delayUs: number;
  /** Where the transaction that the kill has hit is torn, 0 to 1; undefined: it is left as it was hit. */
  tearAt: number | undefined;
}

export interface Plan {
  tuning: Tuning;
  points: KillPoint[];
}

/** Longer than a step takes, shorter than a dozen. */
const STEP_DELAY_US_MAX = 4_000;
/** A transaction is written in a tenth of a millisecond. */
const WRITE_DELAY_US_MAX = 20;
/** A start takes less than a second. */
const START_DELAY_US_MAX = 900_000;
/** A step whose process is killed is repeated once; two kills from outside in one step would be a fault of the function. */
const STEPS_BETWEEN_MIN = 5;

/** @param steps commits of the uninterrupted run */
export function planOf(seed: number, count: number, steps: number): Plan {
  const random = chance(seed);
  const pick = <T>(...choices: T[]): T => choices[Math.floor(random() * choices.length)]!;
  const tuning: Tuning = {
    uncommittedReadingsMax: pick(10, 200, 2_000),
    handoffReadingsMax: pick(50, 1_000, 20_000),
    processes: pick(1, 1, 2),
  };
  const room = Math.max(1, steps - count * STEPS_BETWEEN_MIN);
  const behind = Array.from({ length: count }, () => Math.floor(random() * room)).sort((a, b) => a - b);
  const points: KillPoint[] = [];
  for (const [at, step] of behind.entries()) {
    const before = points.at(-1);
    const isStart = before !== undefined && before.target !== 'sandbox' && random() < 0.15;
    const moment = isStart ? 'start' : pick('step', 'write');
    const target = at % 2 === 0 ? 'agent' : pick('sandbox', 'sandbox', 'sandbox', 'both');
    const delayUsMax = { step: STEP_DELAY_US_MAX, write: WRITE_DELAY_US_MAX, start: START_DELAY_US_MAX }[moment];
    const delayUs = Math.floor(random() * delayUsMax);
    const tearAt = random() < 0.5 ? random() : undefined;
    points.push({ target, moment, step: step + at * STEPS_BETWEEN_MIN, delayUs, tearAt });
  }
  return { tuning, points };
}

export function show({ target, moment, step, delayUs }: KillPoint): string {
  const where =
    moment === 'start' ? 'at the start' : moment === 'write' ? `a write behind step ${step}` : `step ${step}`;
  return `${target} ${where} + ${delayUs} us`;
}
