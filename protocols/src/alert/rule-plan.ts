/** From a rule as people write it to what it comes to. */
import type { Condition, Exit, Level, Measure, RulePlan, Rung, Signal, Window } from './plan.ts';
import type { Rule } from './rule.ts';
import { type PlacedRung, rungsOf, type WrittenRung } from './rule-shape.ts';
import { type Measured, quantileIn, samplesIn, type Windowed } from './words.ts';
import {
  type Comparing,
  type Counting,
  comparatorsIn,
  isSeveral,
  type Leaf,
  type Levelled,
  partsOf,
  type Written,
} from './written.ts';

/** More at once on one device are no longer read one by one. */
const OPEN_MAX_DEFAULT = 100;
const MINUTE_MS = 60_000;

export function rulePlan(rule: Rule): RulePlan {
  const { name, version, description, runbook, labels = {}, unit, summary, schedule, maintenance } = rule;
  const rungs = rungsOf(rule);
  return {
    name,
    ...(version !== undefined && { version }),
    ...(description !== undefined && { description }),
    ...(runbook !== undefined && { runbook }),
    labels,
    ...(unit !== undefined && { unit }),
    by: rule.by ?? subjectOf(rule, rungs),
    watches: watchedBy(rule, rungs),
    ladder: rungs.map((each) => rungOf(rule, each)),
    forMs: rule.for,
    exit: exitOf(rule),
    schedule: schedule ?? [],
    maintenance: maintenance ?? [],
    latenessMs: rule.lateness ?? 0,
    openMax: rule.limit ?? OPEN_MAX_DEFAULT,
    ...(rule.actuate !== undefined && { actuate: rule.actuate }),
    dryRun: rule.dryRun ?? false,
    ...(summary !== undefined && { summary }),
  };
}

/** Readings that a plan looks at, those of levels, too; each once. */
export function signalsOf({ ladder }: Pick<RulePlan, 'ladder'>): Signal[] {
  const signals = ladder.flatMap(({ when, clear }) =>
    [when, ...(clear === undefined ? [] : [clear])].flatMap(signalsIn),
  );
  return [...new Map(signals.map((signal) => [JSON.stringify(signal), signal])).values()];
}

/** Tags that a plan names, each once. */
export function tagsOf({ ladder }: Pick<RulePlan, 'ladder'>): string[] {
  const levels = ladder.flatMap(({ when, clear }) => [when, ...(clear === undefined ? [] : [clear])].flatMap(levelsIn));
  return [...new Set(levels.flatMap((level) => (typeof level === 'object' && 'tag' in level ? [level.tag] : [])))];
}

function signalsIn(condition: Condition): Signal[] {
  if (condition.kind === 'of') return condition.conditions.flatMap(signalsIn);
  if (condition.kind === 'series' || condition.kind === 'repeated') return signalsIn(condition.condition);
  const fromLevels = levelsIn(condition).flatMap((level) =>
    typeof level === 'object' && 'signal' in level ? [level.signal] : [],
  );
  return [condition.signal, ...fromLevels];
}

function levelsIn(condition: Condition): Level[] {
  if (condition.kind === 'of') return condition.conditions.flatMap(levelsIn);
  if (condition.kind === 'series' || condition.kind === 'repeated') return levelsIn(condition.condition);
  if (condition.kind === 'silent' || condition.kind === 'adaptive') return [];
  return 'levels' in condition ? condition.levels : [condition.level];
}

function exitOf({ keepFiringFor, clearAfter, noRecurrence, resolveAfter, latch, manual }: Rule): Exit {
  return {
    keepFiringForMs: keepFiringFor ?? 0,
    samples: clearAfter?.samples ?? 1,
    ...(noRecurrence !== undefined && { noRecurrenceForMs: noRecurrence }),
    ...(resolveAfter !== undefined && { resolveAfterMs: resolveAfter }),
    latch: latch ?? false,
    manual: manual ?? false,
  };
}

function rungOf(rule: Rule, { severity, rung }: PlacedRung): Rung {
  const counting = { inAtLeast: rung.inAtLeast ?? rule.inAtLeast, matches: rung.matches ?? rule.matches };
  const when =
    rung.when === undefined ? compared(rule, { ...rung, across: rule.across }) : conditionOf(rule, rung.when);
  const clear = clearOf(rule, rung);
  return { severity, when: counted(when, counting), ...(clear !== undefined && { clear }) };
}

function clearOf(rule: Rule, rung: WrittenRung): Condition | undefined {
  if (rung.clearWhen !== undefined) return conditionOf(rule, rung.clearWhen);
  const { clear } = rung;
  if (clear === undefined) return undefined;
  const signal = signalOf(rule, { across: rule.across });
  if (Array.isArray(clear)) {
    const levels = rangeOf(clear, signal);
    return { kind: rung.outside === undefined ? 'outside' : 'inside', signal, levels };
  }
  const isUp = rung.above !== undefined || rung.atLeast !== undefined;
  return { kind: isUp ? 'below' : 'above', signal, level: levelOf(clear, signal) };
}

function conditionOf(rule: Rule, written: Written): Condition {
  if (!isSeveral(written)) return counted(compared(rule, written), written);
  const { parts, atLeast } = partsOf(written);
  return counted({ kind: 'of', atLeast, conditions: parts.map((part) => conditionOf(rule, part)) }, written);
}

function counted(condition: Condition, { inAtLeast, matches }: Counting): Condition {
  let counted = condition;
  if (matches !== undefined) {
    const { times, of, within } = matches;
    const span = within === undefined ? { samples: of ?? times } : { ms: within };
    counted = { kind: 'repeated', times, within: span, condition: counted };
  }
  if (inAtLeast === undefined) return counted;
  const atLeast = typeof inAtLeast === 'number' ? inAtLeast : { share: Number.parseFloat(inAtLeast) / 100 };
  return { kind: 'series', atLeast, condition: counted };
}

type Signalled = Pick<Leaf, 'sensor' | 'metric' | 'unit' | 'value' | 'across'>;

function signalOf(rule: Rule, { sensor = rule.sensor, metric = rule.metric ?? '*', ...of }: Signalled): Signal {
  // Another metric is of another kind, as a rule: what the rule says of units is said of its own.
  const unit = of.unit ?? (metric === (rule.metric ?? '*') || rule.metric === undefined ? rule.unit : undefined);
  return {
    sensor,
    metric,
    measure: measureOf(of.value ?? rule.value ?? 'last'),
    ...(of.across !== undefined && { across: of.across }),
    ...(unit !== undefined && { unit }),
  };
}

function measureOf(measured: Measured): Measure {
  if (measured === 'last') return { kind: 'last' };
  const { per, ...one } = measured;
  const [[name, windowed]] = Object.entries(one) as [[string, Windowed]];
  const window = windowOf(windowed);
  const q = quantileIn(name);
  if (q !== undefined) return { kind: 'quantile', q, window };
  if (name === 'rate') return { kind: 'rate', window, perMs: (per as number | undefined) ?? MINUTE_MS };
  return { kind: name === 'changePercent' ? 'change-percent' : name, window } as Measure;
}

function windowOf(windowed: Windowed): Window {
  const { over, tumbling = false } = typeof windowed === 'object' ? windowed : { over: windowed };
  const mode = tumbling ? 'tumbling' : 'sliding';
  return typeof over === 'number' ? { ms: over, mode } : { samples: samplesIn(over)!, mode };
}

const KINDS = {
  above: 'above',
  atLeast: 'at-least',
  below: 'below',
  atMost: 'at-most',
  equals: 'equals',
  notEquals: 'not-equals',
} as const;

function compared(rule: Rule, of: Comparing & Signalled): Condition {
  const signal = signalOf(rule, of);
  const [key] = comparatorsIn(of);
  switch (key) {
    case 'outside':
    case 'inside':
      return { kind: key, signal, levels: rangeOf(of[key]!, signal) };
    case 'changesBy':
      return changed(signal, of.changesBy!);
    case 'silentFor':
      return { kind: 'silent', signal, forMs: of.silentFor! };
    case 'adaptive': {
      const { learn, ...adaptive } = of.adaptive!;
      return { kind: 'adaptive', signal, adaptive: { ...adaptive, learnMs: learn } };
    }
    default:
      return { kind: KINDS[key!], signal, level: levelOf(of[key!]!, signal) };
  }
}

function changed(signal: Signal, { amount, within, direction }: NonNullable<Comparing['changesBy']>): Condition {
  const isShare = typeof amount === 'string';
  const by = isShare ? Number.parseFloat(amount) : amount;
  const window = { ms: within, mode: 'sliding' } as const;
  const of = { ...signal, measure: { kind: isShare ? 'change-percent' : 'change', window } } satisfies Signal;
  const up: Condition = { kind: 'at-least', signal: of, level: by };
  const down: Condition = { kind: 'at-most', signal: of, level: -by };
  if (direction !== 'either') return direction === 'up' ? up : down;
  return { kind: 'of', atLeast: 1, conditions: [up, down] };
}

function rangeOf([low, high]: readonly [Levelled, Levelled], signal: Signal): [Level, Level] {
  return [levelOf(low, signal), levelOf(high, signal)];
}

/** A level from another signal is of the same sensor, in the same unit, unless it says otherwise. */
function levelOf(level: Levelled | boolean | string, { sensor, unit }: Signal): Level {
  if (typeof level !== 'object') return level;
  if ('tag' in level) return { tag: level.tag, ...(level.default !== undefined && { default: level.default }) };
  const { times = 1, plus = 0 } = level;
  const signal: Signal = {
    sensor: level.sensor ?? sensor,
    metric: level.metric,
    measure: measureOf(level.value ?? 'last'),
    ...(level.across !== undefined && { across: level.across }),
    ...(unit !== undefined && { unit }),
  };
  return { signal, times, plus };
}

/** Every comparison of a rule, but those of its ends. */
function leavesOf(rungs: readonly PlacedRung[]): Leaf[] {
  const within = (written: Written): Leaf[] =>
    isSeveral(written) ? partsOf(written).parts.flatMap(within) : [written];
  return rungs.flatMap(({ rung }) => (rung.when === undefined ? [] : within(rung.when)));
}

/** Whose episodes they are where nobody has said it: of the smallest thing that has all it takes. */
function subjectOf(rule: Rule, rungs: readonly PlacedRung[]): RulePlan['by'] {
  const leaves = leavesOf(rungs);
  const takesTogether = (of: { across?: unknown; inAtLeast?: unknown }) => of.across ?? of.inAtLeast;
  if ([rule, ...rungs.map(({ rung }) => rung), ...leaves].some((of) => takesTogether(of) !== undefined))
    return 'device';
  const signals = leaves.map((leaf) => signalOf(rule, leaf));
  const [first] = signals;
  const isOne = (key: 'sensor' | 'metric') => signals.every((signal) => signal[key] === first?.[key]);
  if (isOne('sensor') && isOne('metric')) return 'series';
  // Of sensors that nobody has named it is not known that they are one.
  return isOne('sensor') && first?.sensor !== '*' ? 'sensor' : 'device';
}

function watchedBy(rule: Rule, rungs: readonly PlacedRung[]): RulePlan['watches'] {
  const leaves = leavesOf(rungs).map((leaf) => signalOf(rule, leaf));
  const first = leaves[0];
  if (rule.metric !== undefined || first === undefined) return { sensor: rule.sensor, metric: rule.metric ?? '*' };
  const only = (key: 'sensor' | 'metric') => (leaves.every((each) => each[key] === first[key]) ? first[key] : '*');
  return { sensor: rule.sensor === '*' ? only('sensor') : rule.sensor, metric: only('metric') };
}
