/** Of all moments at which a rule was judged those that matter to whoever asks why it did, or did not, fire. */
import type { AlertTransition, RulePlan, Severity, Value } from '@weir/protocols';
import type { Judgement } from './conditions/condition.ts';
import type { Judged } from './episode/track.ts';

export interface RungView {
  severity: Severity;
  /** Undefined: nobody knows. */
  verdict: boolean | undefined;
  value?: Value;
  level?: number;
  problem?: string;
  /** Since when it is true, as far as it counts. */
  since?: number;
  inForce: boolean;
}

export interface ExplainedStep {
  /** Event time, ms. */
  ts: number;
  /** A reading brought it about; else time alone. */
  fresh: boolean;
  watched: boolean;
  phase: Judged['machine']['phase'];
  /** Nothing is known of it, and why. */
  away?: string;
  rungs: RungView[];
  /** While it is on its way: when it will be in force if nothing changes. */
  dueAt?: number;
}

/** Steps in a row that say the same are one; more that differ than this nobody reads. */
const STEPS_MAX = 500;

export class StepLog {
  readonly #plan: RulePlan;
  readonly #from: number;
  #steps: ExplainedStep[] = [];
  #last: ExplainedStep | undefined;
  #lastKey = '';
  #judged = 0;

  /** @param from what was before is only the state it began in; ms */
  constructor(plan: RulePlan, from: number) {
    this.#plan = plan;
    this.#from = from;
  }

  take(judged: Judged): void {
    const step = viewOf(this.#plan, judged);
    const key = keyOf(step);
    if (judged.ts >= this.#from) {
      this.#judged++;
      if (key !== this.#lastKey || this.#steps.length === 0) this.#add(step);
    }
    this.#last = step;
    this.#lastKey = key;
  }

  /** Those at which something changed, the first among them as it was. */
  get steps(): readonly ExplainedStep[] {
    return this.#steps;
  }

  /** As it is now; undefined: it was never judged. */
  get last(): ExplainedStep | undefined {
    return this.#last;
  }

  /** Moments within the time, also those at which nothing changed. */
  get judged(): number {
    return this.#judged;
  }

  #add(step: ExplainedStep): void {
    this.#steps.push(step);
    // Both ends say most.
    if (this.#steps.length > STEPS_MAX) this.#steps.splice(STEPS_MAX / 2, 1);
  }
}

function viewOf({ ladder, forMs }: RulePlan, { ts, fresh, watched, machine, rungs }: Judged): ExplainedStep {
  const views = ladder.map(({ severity }, at): RungView => {
    const state = machine.rungs[at];
    const view: RungView = { severity, ...saidBy(rungs[at]?.when), inForce: state?.in === true };
    if (state?.since !== undefined) view.since = state.since;
    return view;
  });
  const step: ExplainedStep = { ts, fresh, watched, phase: machine.phase, rungs: views };
  if (machine.away !== undefined) step.away = machine.away;
  const waiting = views.filter(({ since, inForce, verdict }) => since !== undefined && !inForce && verdict === true);
  if (waiting.length > 0) step.dueAt = Math.min(...waiting.map(({ since }) => since! + forMs));
  return step;
}

function saidBy(judgement: Judgement | undefined): Pick<RungView, 'verdict' | 'value' | 'level' | 'problem'> {
  if (judgement === undefined) return { verdict: undefined };
  const { verdict, value, level, problem } = judgement;
  return {
    verdict,
    ...(value !== undefined && { value }),
    ...(level !== undefined && { level }),
    ...(problem !== undefined && { problem }),
  };
}

/** What is a change, and what is one more reading of the same. */
function keyOf({ phase, watched, away, rungs }: ExplainedStep): string {
  return [
    phase,
    watched,
    away,
    ...rungs.map(({ verdict, problem, inForce, level }) => [verdict, problem, inForce, level]),
  ].join();
}

export interface TransitionPair {
  /** As it was told. */
  told?: AlertTransition;
  /** As it comes when it is run again. */
  again?: AlertTransition;
  same: boolean;
}

/** Side by side, by their order; what only the world outside brings about is not expected of a run. */
export function comparedAgain(
  told: readonly AlertTransition[],
  again: readonly AlertTransition[],
): { pairs: TransitionPair[]; same: boolean } {
  const comparable = told.filter(({ reason }) => !OUTSIDE.has(reason));
  const pairs: TransitionPair[] = [];
  for (let at = 0; at < Math.max(comparable.length, again.length); at++) {
    const [a, b] = [comparable[at], again[at]];
    const pair: TransitionPair = { same: a !== undefined && b !== undefined && isSame(a, b) };
    if (a !== undefined) pair.told = a;
    if (b !== undefined) pair.again = b;
    pairs.push(pair);
  }
  return { pairs, same: pairs.every(({ same }) => same) };
}

/** People, deployments and faults are not in the readings. */
const OUTSIDE: ReadonlySet<string> = new Set(['removed', 'quarantined', 'manual', 'acknowledged', 'summary']);

function isSame(a: AlertTransition, b: AlertTransition): boolean {
  return (
    a.state === b.state && a.reason === b.reason && a.severity === b.severity && a.ts === b.ts && a.value === b.value
  );
}
