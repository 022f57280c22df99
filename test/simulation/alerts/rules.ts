/** Rules drawn by lot, over the whole of what people may write, but for baselines. */
import { type Rule, type RuleInput, ruleSchema } from '@weir/protocols';
import type { Dice } from '../dice.ts';
import type { StoryKind } from './simulate.ts';

/** Durations of drawn rules are multiples of it, and so are the times of samples. */
export const MOMENT_MS = 500;

type Written = Record<string, unknown>;

/** As it was written, and parsed. @param plain levels of the last reading of each series, and nothing else */
export function drawRule(dice: Dice, kind: StoryKind): { written: RuleInput; rule: Rule } {
  for (;;) {
    const written = drawWritten(dice, kind) as RuleInput;
    const parsed = ruleSchema.safeParse(written);
    if (parsed.success) return { written, rule: parsed.data };
  }
}

function drawWritten(dice: Dice, kind: StoryKind): Written {
  if (kind === 'plain-outage') return drawPlain(dice);
  if (kind === 'late-outage') return { ...drawPlain(dice), lateness: dice.pick([2_000, 5_000]) };
  if (kind === 'together' && dice.chance(0.6)) return drawAny(dice, drawOfSeveral(dice));
  return drawAny(dice);
}

function drawAny(dice: Dice, body?: Written): Written {
  return { name: 'drawn', lateness: dice.pick([0, 2_000, 5_000]), ...(body ?? drawBody(dice)), ...drawExit(dice) };
}

/** What comes late of an outage is told as it was: of these to the sample. */
function drawPlain(dice: Dice): Written {
  const ladder = dice.pick([0, 4]);
  return { name: 'drawn', sensor: 's*', metric: 'm0', ...drawLadder(dice, ladder) };
}
function ms(dice: Dice, low: number, high: number): number {
  return dice.int(low * 2, high * 2) * MOMENT_MS;
}

function drawBody(dice: Dice): Written {
  const kind = dice.int(0, 9);
  if (kind < 4)
    return { ...drawSignal(dice), ...drawLadder(dice), ...(dice.chance(0.3) && { matches: drawMatches(dice) }) };
  if (kind < 5)
    return { sensor: 's*', metric: 'm0', by: dice.pick(['series', 'sensor']), above: drawSignalLevel(dice) };
  if (kind < 6) return { ...drawSignal(dice), silentFor: ms(dice, 5, 30) };
  if (kind < 7)
    return {
      sensor: 's*',
      metric: 'm0',
      by: 'device',
      inAtLeast: dice.pick([1, 2, '50%', '67%']),
      above: dice.int(6, 14),
    };
  if (kind < 8) {
    const across = dice.pick(['mean', 'min', 'max', 'sum', 'count']);
    return {
      sensor: 's*',
      metric: 'm0',
      by: 'device',
      across,
      above: across === 'sum' ? 30 : across === 'count' ? 1.5 : 10,
    };
  }
  return {
    by: 'device',
    severities: {
      warning: { when: drawTree(dice, 2) },
      ...(dice.chance(0.3) && { critical: { when: drawTree(dice, 1) } }),
    },
  };
}

/** What is to be seen of several series at once. */
function drawOfSeveral(dice: Dice): Written {
  const m0 = { sensor: 's*', metric: 'm0' };
  const matches = dice.chance(0.4) && { matches: drawMatches(dice) };
  switch (dice.int(0, 4)) {
    case 0: {
      const side = dice.pick(['above', 'below', 'atLeast', 'atMost']);
      const clear = dice.chance(0.4) && { clear: drawSignalLevel(dice) };
      return {
        ...m0,
        by: dice.pick(['series', 'sensor', 'device']),
        [side]: drawSignalLevel(dice),
        ...clear,
        ...matches,
      };
    }
    case 1:
      return {
        ...m0,
        by: 'device',
        across: dice.pick(['mean', 'min', 'max', 'sum']),
        above: dice.int(7, 14),
        ...matches,
      };
    case 2:
      return { ...m0, by: 'device', inAtLeast: dice.pick([1, 2, '50%', '67%']), above: drawLevel(dice), ...matches };
    default:
      return {
        by: dice.pick(['sensor', 'device']),
        severities: {
          warning: { when: drawTree(dice, 2), ...(dice.chance(0.4) && { clearWhen: drawTree(dice, 1) }) },
          ...(dice.chance(0.3) && { critical: { when: drawTree(dice, 1) } }),
        },
      };
  }
}

function drawLevel(dice: Dice): unknown {
  return dice.chance(0.5) ? drawSignalLevel(dice) : dice.int(6, 14);
}

function drawSignal(dice: Dice): Written {
  return { sensor: dice.pick(['s0', 's*', '*']), metric: 'm0', ...(dice.chance(0.7) && { value: drawMeasure(dice) }) };
}

function drawMeasure(dice: Dice): Written {
  const name = dice.pick(['avg', 'min', 'max', 'median', 'p90', 'avg', 'count']);
  const over = dice.chance(0.5) ? ms(dice, 2, 20) : `${dice.int(2, 8)} samples`;
  return { [name]: dice.chance(0.3) ? { over, tumbling: true } : over };
}

function drawLadder(dice: Dice, kind = dice.int(0, 5)): Written {
  const level = dice.int(8, 12);
  switch (kind) {
    case 0:
      return { above: level };
    case 1:
      return { below: level, clear: level + dice.int(0, 3) };
    case 2:
      return { outside: [5, 14], clear: [7, 12] };
    case 3:
      return {
        changesBy: {
          amount: dice.pick([4, '40%']),
          within: ms(dice, 3, 15),
          direction: dice.pick(['up', 'down', 'either']),
        },
        value: undefined,
      };
    case 4:
      return { atLeast: { tag: 'high', default: 11 } };
    default:
      return {
        severities: { warning: { above: level, clear: level - 2 }, critical: { above: level + 3, clear: level + 2 } },
      };
  }
}

function drawSignalLevel(dice: Dice): Written {
  return { sensor: dice.pick(['s*', 's1']), metric: 'm1', ...(dice.chance(0.5) && { plus: dice.int(-2, 2) }) };
}

function drawMatches(dice: Dice): Written {
  const times = dice.int(2, 3);
  return dice.chance(0.5) ? { times, of: times + dice.int(0, 2) } : { times, within: ms(dice, 5, 20) };
}

function drawTree(dice: Dice, depth: number): Written {
  if (depth === 0 || dice.chance(0.3)) return drawLeaf(dice);
  const parts = Array.from({ length: dice.int(2, 3) }, () => drawTree(dice, depth - 1));
  return dice.pick([{ all: parts }, { any: parts }, { atLeast: 2, of: parts }]);
}

function drawLeaf(dice: Dice): Written {
  const sensor = dice.pick(['s0', 's1', 's*']);
  switch (dice.int(0, 6)) {
    case 0:
      return { sensor, metric: 'state', equals: 'jam' };
    case 1:
      return { sensor, metric: 'state', notEquals: 'ok' };
    case 2:
      return { sensor, metric: 'm1', inside: [6, 12] };
    case 3:
      return { sensor: 's0', metric: 'm1', atMost: 9, matches: drawMatches(dice) };
    case 4:
      return { sensor, metric: 'm0', value: { count: ms(dice, 3, 10) }, below: 3 };
    default:
      return { sensor, metric: 'm0', ...(dice.chance(0.5) && { value: drawMeasure(dice) }), above: dice.int(7, 13) };
  }
}

function drawExit(dice: Dice): Written {
  return {
    ...(dice.chance(0.5) && { for: ms(dice, 1, 10) }),
    ...(dice.chance(0.3) && { keepFiringFor: ms(dice, 1, 15) }),
    ...(dice.chance(0.2) && { clearAfter: { samples: dice.int(2, 3) } }),
    ...(dice.chance(0.1) && { noRecurrence: ms(dice, 5, 20) }),
    ...(dice.chance(0.1) && { resolveAfter: ms(dice, 10, 60) }),
  };
}
