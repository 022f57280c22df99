/** What has to be known of a rule by whoever tries it: over what it runs, its levels, how much of the past it needs. */
import {
  type Bundle,
  type Condition,
  type JsonObject,
  type Level,
  type Rule,
  type RulePlan,
  ruleIn,
  rulePlan,
  type Signal,
  signalsOf,
  type Window,
} from '@weir/protocols';
import { UsageError } from '../errors.ts';
import type { Selector } from '../fold/select.ts';

export interface RuleFacts {
  rule: Rule;
  plan: RulePlan;
  /** Over all devices of its group together, in the hub. */
  gathers: boolean;
  /** Readings that it looks at, or that the function does which is its condition; none: all. */
  signals: readonly Selector[];
  /** How much of the past can still matter to what it says now, ms. */
  lookbackMs: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** For windows of so many samples it is not known how long that is. */
const SAMPLES_MS = DAY_MS;
/** A baseline has seen some weeks before it knows what a week is like. */
const LEARNING_MS = 28 * DAY_MS;

/** @throws {UsageError} `rule-wanted` */
export function factsOf(bundle: Bundle): RuleFacts {
  const rule = ruleIn(bundle);
  if (rule === undefined) throw new UsageError('rule-wanted', `a ${bundle.kind} is no rule`);
  const plan = rulePlan(rule);
  const { exit, forMs, latenessMs, ladder } = plan;
  const signals = signalsOf(plan).map(({ sensor, metric }) => ({ sensor, metric }));
  const { keepFiringForMs, noRecurrenceForMs = 0, resolveAfterMs = 0 } = exit;
  const pauses = forMs + latenessMs + keepFiringForMs + noRecurrenceForMs + resolveAfterMs;
  const conditions = ladder.flatMap(({ when, clear }) => (clear === undefined ? [when] : [when, clear]));
  const own = [...new Map(signals.map((each) => [`${each.sensor}/${each.metric}`, each])).values()];
  const isFunction = bundle.kind === 'function';
  return {
    rule,
    plan,
    gathers: plan.by === 'group' || (isFunction && bundle.manifest.key === 'function'),
    signals: isFunction ? bundle.manifest.inputs : own,
    lookbackMs: (isFunction ? DAY_MS : 0) + HOUR_MS + pauses + Math.max(...conditions.map(reachOf)),
  };
}

/** How far back a condition looks. */
function reachOf(condition: Condition): number {
  switch (condition.kind) {
    case 'of':
      return Math.max(0, ...condition.conditions.map(reachOf));
    case 'series':
      return reachOf(condition.condition);
    case 'repeated':
      return reachOf(condition.condition) + ('ms' in condition.within ? condition.within.ms : SAMPLES_MS);
    case 'silent':
      return condition.forMs;
    case 'adaptive':
      return Math.max(LEARNING_MS, 2 * condition.adaptive.learnMs);
    default: {
      const levels = 'levels' in condition ? condition.levels : [condition.level];
      const measures = [condition.signal, ...levels.flatMap((level) => signalIn(level) ?? [])].map(
        ({ measure }) => measure,
      );
      return Math.max(...measures.map((measure) => ('window' in measure ? windowMs(measure.window) : 0)));
    }
  }
}

function windowMs(window: Window): number {
  return 'ms' in window ? window.ms : SAMPLES_MS;
}

/** Levels as numbers, as far as they are known beforehand: what a picture shows. Each once. */
export function levelsIn({ ladder }: Pick<RulePlan, 'ladder'>, config: JsonObject): number[] {
  const conditions = ladder.flatMap(({ when, clear }) => (clear === undefined ? [when] : [when, clear]));
  const numbers = conditions.flatMap(levelsOf).map((level) => numberOf(level, config));
  return [...new Set(numbers.filter((number) => number !== undefined))];
}

function levelsOf(condition: Condition): Level[] {
  if (condition.kind === 'of') return condition.conditions.flatMap(levelsOf);
  if (condition.kind === 'series' || condition.kind === 'repeated') return levelsOf(condition.condition);
  if (condition.kind === 'silent' || condition.kind === 'adaptive') return [];
  return 'levels' in condition ? condition.levels : [condition.level];
}

function numberOf(level: Level, config: JsonObject): number | undefined {
  if (typeof level === 'number') return level;
  if (typeof level !== 'object' || !('tag' in level)) return undefined;
  const given = config[level.tag];
  const number = given === undefined || given === '' ? level.default : Number(given);
  return Number.isFinite(number) ? number : undefined;
}

function signalIn(level: Level): Signal | undefined {
  return typeof level === 'object' && 'signal' in level ? level.signal : undefined;
}

/** A sensor that a pattern takes, for whoever writes no other: `oven*` takes `oven1`. */
export function sensorLike(pattern: string): string {
  const name = pattern.replaceAll('*', '1');
  return /^[A-Za-z]/.test(name) ? name : `sensor${name}`;
}
