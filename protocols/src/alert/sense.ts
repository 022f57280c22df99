/** What makes no sense together in a rule, though each key by itself may stand there. Each message says what to do instead. */
import type { z } from 'zod';
import { type PlacedRung, rungsOf, type WrittenRule, type WrittenRung } from './rule-shape.ts';
import {
  COMPARATORS,
  CONDITIONS_MAX,
  type Comparator,
  type Comparing,
  comparatorsIn,
  isSeveral,
  type Leaf,
  type Levelled,
  partsOf,
  type Written,
} from './written.ts';

type Path = (string | number)[];
type Tell = (path: Path, message: string) => undefined;

export function verifySense(rule: WrittenRule, context: z.core.$RefinementCtx<WrittenRule>): void {
  // With a key that nobody knows it is not known what was meant.
  if (context.issues.length > 0) return;
  const tell: Tell = (path, message) => void context.addIssue({ code: 'custom', path, message });
  const rungs = rungsOf(rule);
  if (rule.severities !== undefined) verifyOnlyLadder(rule, rungs, tell);
  for (const each of rungs) verifyRung(rule, each, tell);
  for (const [i, each] of rungs.entries()) if (i > 0) verifyWorse(rungs[i - 1]!, each, tell);
  verifyExit(rule, rungs, tell);
  verifySubject(rule, rungs, tell);
}

function verifyOnlyLadder(rule: WrittenRule, rungs: readonly PlacedRung[], tell: Tell): void {
  if (rungs.length === 0)
    tell(['severities'], 'without a severity it can never fire: give one, e.g. warning: { above: 80 }');
  for (const key of [...COMPARATORS, 'when', 'clear', 'clearWhen', 'severity'] as const) {
    if (rule[key] !== undefined)
      tell([key], `with severities, ${key} belongs into one of them, or leave severities out`);
  }
}

function verifyRung(rule: WrittenRule, { rung, path }: PlacedRung, tell: Tell): void {
  if (rung.when !== undefined) {
    const beside = comparatorsIn(rung);
    if (beside.length > 0)
      tell([...path, beside[0]!], `beside when it says nothing: put it into when, e.g. ${EXAMPLE}`);
    verifyTree(rule, rung.when, [...path, 'when'], tell);
  } else verifyOne(rung, path, tell, rule);
  if (rung.clear !== undefined && rung.clearWhen !== undefined) {
    tell([...path, 'clearWhen'], 'clear and clearWhen both say when it is over: give one');
  } else if (rung.clearWhen !== undefined) verifyTree(rule, rung.clearWhen, [...path, 'clearWhen'], tell);
  else if (rung.clear !== undefined) verifyClear(rule, rung, [...path, 'clear'], tell);
}
const EXAMPLE = 'when: { all: [ { above: 80 }, { sensor: door, metric: open, equals: true } ] }';

function verifyTree(rule: WrittenRule, tree: Written, at: Path, tell: Tell): undefined {
  let count = 0;
  const walk = (written: Written, path: Path): undefined => {
    count += 1;
    if (count > CONDITIONS_MAX) return;
    if (!isSeveral(written)) return verifyLeaf(rule, written, path, tell);
    const { parts, atLeast } = partsOf(written);
    const key = written.all !== undefined ? 'all' : written.any !== undefined ? 'any' : 'of';
    if (atLeast > parts.length) tell([...path, 'atLeast'], `${atLeast} of ${parts.length} is more than there are`);
    if (written.inAtLeast !== undefined)
      tell([...path, 'inAtLeast'], 'each comparison counts its own series: put it there');
    for (const [i, part] of parts.entries()) walk(part, [...path, key, i]);
  };
  walk(tree, at);
  if (count > CONDITIONS_MAX) tell(at, `more than ${CONDITIONS_MAX} conditions are a program: write a function`);
}

function verifyLeaf(rule: WrittenRule, leaf: Leaf, path: Path, tell: Tell): undefined {
  verifyOne(leaf, path, tell, { ...leaf, metric: leaf.metric ?? rule.metric, value: leaf.value ?? rule.value });
}

/** One comparison, of a signal that it can be made of. */
function verifyOne(
  comparing: Comparing,
  path: Path,
  tell: Tell,
  signal: Pick<Leaf, 'metric' | 'value' | 'across'>,
): undefined {
  const found = comparatorsIn(comparing);
  if (found.length !== 1) {
    const what = found.length === 0 ? 'none' : `${found.length}: ${found.join(' and ')}`;
    const remedy = found.length > 1 ? `; for several: when: { all: [ … ] }` : '';
    const at = found[1] ?? (path.length === 0 ? 'above' : undefined);
    const message = `exactly one comparison (above, below, outside, …) is needed, found ${what}${remedy}`;
    return tell(at === undefined ? path : [...path, at], message);
  }
  const key = found[0]!;
  if (signal.metric === undefined && key !== 'silentFor')
    tell([...path, 'metric'], 'a metric is needed, e.g. temperature');
  if (key === 'outside' || key === 'inside') verifyRange(comparing[key]!, [...path, key], tell);
  if (signal.value !== undefined && signal.value !== 'last') verifyMeasured(comparing, key, [...path, key], tell);
  if (key === 'silentFor' && signal.across !== undefined)
    tell([...path, 'across'], 'silence is not counted: leave it out');
}

function verifyMeasured(comparing: Comparing, key: Comparator, path: Path, tell: Tell): undefined {
  if (key === 'changesBy') tell(path, 'the change is measured within its own time: leave value out');
  if (key === 'silentFor') tell(path, 'silence has no value: leave value out');
  const level = key === 'equals' || key === 'notEquals' ? comparing[key] : undefined;
  if (typeof level === 'string' || typeof level === 'boolean') {
    tell(path, 'a measure over a window is a number: compare it with one, or leave value out');
  }
}

function verifyRange([low, high]: readonly [Levelled, Levelled], path: Path, tell: Tell): void {
  const [a, b] = [constantOf(low), constantOf(high)];
  if (a !== undefined && b !== undefined && a >= b) tell(path, `the lower level comes first: ${a} is not under ${b}`);
}

function verifyClear(rule: WrittenRule, rung: WrittenRung, path: Path, tell: Tell): undefined {
  const [key] = comparatorsIn(rung);
  const clear = rung.clear!;
  if (rung.when !== undefined)
    return tell(path, 'with when, clearWhen says when it is over, e.g. clearWhen: { below: 75 }');
  if ((rung.inAtLeast ?? rule.inAtLeast) !== undefined) {
    return tell(
      path,
      'of several series one level does not say when it is over: clearWhen: { below: 75, inAtLeast: "90%" }',
    );
  }
  if (key === 'outside' || key === 'inside') {
    if (!Array.isArray(clear)) return tell(path, `${key} needs a clear range such as [3, 7]`);
    verifyRange(clear, path, tell);
    const [outer, inner] = key === 'outside' ? [rung.outside!, clear] : [clear, rung.inside!];
    const word = key === 'outside' ? 'must lie within the outside range' : 'must hold the inside range within it';
    if (!contains(outer, inner)) tell(path, `the clear range ${word}`);
  } else if (key === 'above' || key === 'atLeast' || key === 'below' || key === 'atMost') {
    if (Array.isArray(clear)) return tell(path, `${key} needs a single clear level`);
    const [level, end] = [constantOf(rung[key]!), constantOf(clear)];
    if (level === undefined || end === undefined) return;
    const isUp = key === 'above' || key === 'atLeast';
    if (isUp ? end > level : end < level) {
      tell(path, `must not be ${isUp ? 'over' : 'under'} the level \`${key}\`: it would be over while it begins`);
    }
  } else if (key !== undefined) tell(path, `${key} has no level to clear at: say when it is over with clearWhen`);
}

/** That a rung of greater severity is harder to reach. */
function verifyWorse(milder: PlacedRung, worse: PlacedRung, tell: Tell): undefined {
  const [a, b] = [milder.rung, worse.rung];
  const [key] = comparatorsIn(a);
  const isCounted = (rung: WrittenRung) => rung.inAtLeast ?? rung.matches ?? rung.when;
  if (key === undefined || comparatorsIn(b)[0] !== key || isCounted(a) !== undefined || isCounted(b) !== undefined)
    return;
  const path = [...worse.path, key];
  const out = `a ladder goes up: ${worse.severity} is reached no later than ${milder.severity}, which would never be told`;
  if (key === 'outside' || key === 'inside') {
    const [outer, inner] = key === 'outside' ? [b[key]!, a[key]!] : [a[key]!, b[key]!];
    if (!contains(outer, inner) || contains(inner, outer))
      tell(path, `${out}; its range must be ${key === 'outside' ? 'wider' : 'narrower'}`);
  } else if (key === 'silentFor') {
    if (b.silentFor! <= a.silentFor!) tell(path, `${out}; its time must be longer`);
  } else if (key === 'above' || key === 'atLeast' || key === 'below' || key === 'atMost') {
    const [mild, bad] = [constantOf(a[key]!), constantOf(b[key]!)];
    if (mild === undefined || bad === undefined) return;
    const isUp = key === 'above' || key === 'atLeast';
    if (isUp ? bad <= mild : bad >= mild) tell(path, `${out}; ${bad} must be ${isUp ? 'over' : 'under'} ${mild}`);
  }
}

/** False only where both are known and it is so. */
function contains(outer: readonly [Levelled, Levelled], inner: readonly [Levelled, Levelled]): boolean {
  const isUnder = (low: Levelled, high: Levelled) => {
    const [a, b] = [constantOf(low), constantOf(high)];
    return a === undefined || b === undefined || a <= b;
  };
  return isUnder(outer[0], inner[0]) && isUnder(inner[1], outer[1]);
}

/** What a level is where nothing else is known. */
function constantOf(level: Levelled | boolean | string): number | undefined {
  if (typeof level === 'number') return level;
  return typeof level === 'object' && 'tag' in level ? level.default : undefined;
}

function verifyExit(rule: WrittenRule, rungs: readonly PlacedRung[], tell: Tell): void {
  const ends = rungs.flatMap(({ rung, path }) =>
    (['clear', 'clearWhen'] as const).filter((key) => rung[key] !== undefined).map((key) => [...path, key]),
  );
  if (rule.manual === true) {
    for (const path of ends) tell(path, 'with manual only a person ends it: leave it out, or manual');
    for (const key of ['keepFiringFor', 'clearAfter', 'noRecurrence', 'resolveAfter'] as const) {
      if (rule[key] !== undefined) tell([key], 'with manual only a person ends it: leave it out, or manual');
    }
  } else if (rule.noRecurrence !== undefined) {
    for (const path of ends) tell(path, 'with noRecurrence it ends by time alone: leave it out, or noRecurrence');
    if (rule.keepFiringFor !== undefined)
      tell(['keepFiringFor'], 'noRecurrence keeps it firing already: leave one out');
  }
}

function verifySubject(rule: WrittenRule, rungs: readonly PlacedRung[], tell: Tell): void {
  const together = [...togetherIn(rule, rungs)];
  if (rule.by === 'series' && together.length > 0) {
    tell(together[0]!, 'a series is alone: by: sensor, device or group takes several together');
  }
  if (rule.by === 'series' && rule.metric === undefined && rungs.some(({ rung }) => rung.when !== undefined)) {
    tell(['by'], 'by: series needs the metric of the rule, to say whose episodes they are: give metric, or by: device');
  }
  if (rule.by !== 'group') return;
  if (rule.actuate !== undefined)
    tell(['actuate'], 'a rule by group runs in the hub, where there is nothing to actuate');
  for (const key of ['schedule', 'maintenance'] as const) {
    for (const [i, { zone }] of (rule[key] ?? []).entries()) {
      if (zone === 'device') tell([key, i, 'zone'], 'a group has no zone of its own: name one, e.g. Europe/Oslo');
    }
  }
}

/** Where several series are taken together. */
function* togetherIn(rule: WrittenRule, rungs: readonly PlacedRung[]): Generator<Path> {
  if (rule.across !== undefined) yield ['across'];
  if (rule.inAtLeast !== undefined) yield ['inAtLeast'];
  for (const { rung, path } of rungs) {
    if (path.length > 0 && rung.inAtLeast !== undefined) yield [...path, 'inAtLeast'];
    for (const key of ['when', 'clearWhen'] as const)
      if (rung[key] !== undefined) yield* within(rung[key], [...path, key]);
  }
}

function* within(written: Written, path: Path): Generator<Path> {
  if (isSeveral(written)) {
    for (const [i, part] of partsOf(written).parts.entries()) yield* within(part, [...path, i]);
  } else if (written.across !== undefined) yield [...path, 'across'];
  else if (written.inAtLeast !== undefined) yield [...path, 'inAtLeast'];
}
