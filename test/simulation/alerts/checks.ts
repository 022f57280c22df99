/** What must hold of what was told. */
import { type AlertTransition, transitionKey } from '@weir/protocols';
import type { Episode } from './machine.ts';

/**
 * `exactly`: the same episodes with the same steps. `as-a-whole`: the same beginnings and ends, for what an outage has hidden
 * is told later than it was; and what fires on both sides of an outage is one. `numbers`: of what was told alone.
 */
export type Strictness = 'exactly' | 'as-a-whole' | 'numbers';

interface Asked {
  from: number;
  until: number;
  isWhole: boolean;
}

/** @param until event time of the last moment of which anything is asked: what ends later, is open */
export function violationsOf(
  wanted: readonly Episode[],
  told: readonly Episode[],
  transitions: readonly AlertTransition[],
  { from, until, strictness }: { from: number; until: number; strictness: Strictness },
): string[] {
  const isWhole = strictness === 'as-a-whole';
  const compared = strictness === 'numbers' ? [] : asWanted(wanted, told, { from, until, isWhole });
  return [...compared, ...asNumbered(transitions), ...asEnded(transitions)];
}

/** The same episodes, with the same beginning, the same rungs at the same times, and the same end. */
function asWanted(wanted: readonly Episode[], told: readonly Episode[], asked: Asked): string[] {
  if (asked.isWhole) return aboutAsWanted(wanted, told, asked);
  const since = told.filter(({ startedAt }) => startedAt < asked.from);
  // What was silent before its first sample, and goes on being so to the rule, is one.
  const isOfBefore = ({ subject, startedAt }: Episode) =>
    since.some((each) => each.subject === subject && (each.endedAt ?? Number.POSITIVE_INFINITY) > startedAt);
  const wantedTexts = wanted
    .filter((each) => !isOfBefore(each))
    .map((each) => textOf(each, asked))
    .filter((text) => text !== undefined);
  const toldTexts = told.map((each) => textOf(each, asked)).filter((text) => text !== undefined);
  return [
    ...without(wantedTexts, toldTexts).map((text) => `not told: ${text}`),
    ...without(toldTexts, wantedTexts).map((text) => `told, and was not: ${text}`),
  ];
}

/**
 * Of an outage nobody knows when the last sample of it has come: a gap is taken for filled when there is no room for one more
 * between two that are as far apart as usual. What is told of it may be off by that much.
 */
function aboutAsWanted(wanted: readonly Episode[], told: readonly Episode[], asked: Asked): string[] {
  const left = told.filter((each) => textOf(each, asked) !== undefined);
  const missing = wanted.filter((each) => {
    if (textOf(each, asked) === undefined) return false;
    const at = left.findIndex((other) => isAbout(each, other, asked));
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  return [
    ...missing
      .filter(({ startedAt, endedAt = asked.until }) => endedAt - startedAt > SLACK_MS)
      .map((each) => `not told: ${textOf(each, asked)}`),
    ...left
      .filter(({ startedAt, endedAt = asked.until }) => endedAt - startedAt > SLACK_MS)
      .map((each) => `told, and was not: ${textOf(each, asked)}`),
  ];
}

function isAbout(a: Episode, b: Episode, { until }: Asked): boolean {
  const end = ({ endedAt }: Episode) => (endedAt === undefined || endedAt > until ? until : endedAt);
  return (
    a.subject === b.subject && Math.abs(a.startedAt - b.startedAt) <= SLACK_MS && Math.abs(end(a) - end(b)) <= SLACK_MS
  );
}

/** Two samples of a sensor that sends in turn with others. */
const SLACK_MS = 3_000;

function textOf({ subject, startedAt, path, endedAt }: Episode, { from, until }: Asked): string | undefined {
  if (startedAt < from) return undefined;
  const steps = path.filter((step) => Number(step.split('@')[1]) <= until);
  if (steps.length === 0) return undefined;
  const end = endedAt === undefined || endedAt > until ? 'open' : `to ${endedAt}`;
  return `${subject} from ${startedAt} ${steps.join(' ')} ${end}`;
}

function without(all: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return all.filter((each) => {
    const at = left.indexOf(each);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** Nothing twice, and no number left out. */
function asNumbered(transitions: readonly AlertTransition[]): string[] {
  const last = new Map<string, number>();
  const violations: string[] = [];
  for (const each of transitions) {
    const before = last.get(each.episode) ?? 0;
    if (each.seq !== before + 1) violations.push(`${transitionKey(each)} follows ${before}`);
    last.set(each.episode, each.seq);
  }
  return violations;
}

/** What has ended says nothing more, but where its end is set right; and a transition is of nobody's time but its own. */
function asEnded(transitions: readonly AlertTransition[]): string[] {
  const ended = new Set<string>();
  const violations: string[] = [];
  for (const each of transitions) {
    if (ended.has(each.episode) && each.reason !== 'corrected') violations.push(`${transitionKey(each)} after its end`);
    if (each.state === 'resolved') ended.add(each.episode);
    if (each.ts < each.startedAt) violations.push(`${transitionKey(each)} before its beginning`);
  }
  for (const { episode, historical } of transitions) {
    if (historical && !ended.has(episode)) violations.push(`${episode} is of the past and has no end`);
  }
  return violations;
}

/**
 * What was firing when the line was cut, and was again with the first that came when it was back, is one: nobody was told of
 * an end, and what is late takes nothing back. By subject, with the first that was not heard of before the cut: some had
 * been on their way.
 */
export function joinedOver(
  { cutAt, backAt }: { cutAt: ReadonlyMap<string, number>; backAt: ReadonlyMap<string, number> },
  episodes: readonly Episode[],
): Episode[] {
  const left: Episode[] = [];
  for (const [subject, of] of Map.groupBy(episodes, (each) => each.subject)) {
    const from = cutAt.get(subject) ?? Number.POSITIVE_INFINITY;
    const back = backAt.get(subject) ?? Number.POSITIVE_INFINITY;
    const before = of.find((each) => each.startedAt < from && (each.endedAt ?? Number.POSITIVE_INFINITY) >= from);
    const after = of.find((each) => each.startedAt <= back && (each.endedAt ?? Number.POSITIVE_INFINITY) > back);
    if (before === undefined || after === undefined || before === after) left.push(...of);
    else {
      const { endedAt: _, ...begun } = before;
      const isWithin = (each: Episode) => each.startedAt > before.startedAt && each.startedAt <= after.startedAt;
      left.push(...of.filter((each) => each !== before && !isWithin(each)));
      left.push({ ...begun, ...(after.endedAt !== undefined && { endedAt: after.endedAt }) });
    }
  }
  return left;
}
