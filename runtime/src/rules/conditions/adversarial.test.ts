/** Small cases that look as if they could not go wrong: limits of windows, kinds of values, levels from everywhere. */
import type { RuleInput } from '@weir/protocols';
import { describe, expect, test } from 'vitest';
import { check, Timeline } from '../episode/timeline.fixture.ts';

const cases = (title: string, all: [string, Partial<RuleInput>, string, { config?: Record<string, string> }?][]) =>
  describe(title, () => {
    test.each(all)('%s', (_, rule, text, options = {}) => void check(rule, text, options));
  });

cases('limits of windows', [
  [
    'a sample as old as the window has left it',
    { above: 15, value: { avg: '10s' } },
    `0s o1 30
     5s o1 30
     10s o1 10      -> firing @10s
     15s o1 10      -> resolved @15s`,
  ],
  [
    'a change is from the sample with which the window begins, which belongs to it',
    { changesBy: { amount: 10, within: '10s', direction: 'up' } },
    `0s o1 0
     10s o1 10      -> firing @10s
     11s o1 10      -> resolved @11s`,
  ],
  [
    'from nothing a share of a change is unknown, also below zero',
    { changesBy: { amount: '50%', within: '10s' } },
    `0s o1 0
     10s o1 -100
     20s o1 -40     -> firing @20s
     30s o1 -41     -> resolved @30s`,
  ],
  [
    'readings that say nothing are not counted, and an empty window has none',
    { sensor: 'o1', value: { count: '10s' }, below: 2 },
    `0s o1 1        -> firing @0s
     1s o1 1        -> resolved @1s
     2s o1 1!bad
     9s o1 1
     12s tick       -> firing @11s
     30s tick`,
  ],
  [
    'a tumbling window is judged when it is over, also by the clock, and with what came late for it',
    { above: 15, value: { max: { over: '10s', tumbling: true } }, lateness: '5s' },
    `0s o1 1
     21s o1 1
     32s o1 1, o1 20 @29s
     36s tick       -> firing @30s
     52s tick       -> resolved cleared @40s`,
  ],
]);

cases('values of every kind', [
  ['what is not finite is no crossing', { above: 5 }, '0s o1 Infinity\n1s o1 NaN\n2s o1 -Infinity'],
  [
    'a text is no number, whatever its digits',
    { above: 5 },
    '0s o1 open\n1s o1 6 -> firing @1s\n2s o1 shut\n3s o1 5 -> resolved @3s',
  ],
  ['a switch is 0 or 1', { atLeast: 1 }, '0s o1 false\n1s o1 true -> firing @1s\n2s o1 0 -> resolved @2s'],
  ['zero is zero from both sides', { equals: 0 }, '0s o1 -0 -> firing @0s'],
  [
    'a moment that says two things is judged by each',
    { above: 5, matches: { times: 2 } },
    '0s o1 6\n0s o1 7 -> firing @0s',
  ],
]);

cases('levels from tags', [
  [
    'a text that is all digits is compared as one',
    { equals: { tag: 'code' } },
    '0s o1 seven\n1s o1 7 -> firing @1s',
    { config: { code: '7' } },
  ],
  [
    'a switch with a tag that says so',
    { equals: { tag: 'open' } },
    '0s o1 false\n1s o1 true -> firing @1s',
    { config: { open: 'true' } },
  ],
  [
    'a word with a tag',
    { notEquals: { tag: 'mode' } },
    '0s o1 auto\n1s o1 hand -> firing @1s',
    { config: { mode: 'auto' } },
  ],
]);

test('a text with a tag whose digits begin with zeros: it is a text', () => {
  const timeline = new Timeline({ equals: { tag: 'code' } }, { config: { code: '007' } });
  const at = timeline.now;
  timeline.take([{ sensor: 'o1', metric: 'temperature', value: '007', ts: at }]);
  timeline.take([{ sensor: 'o1', metric: 'temperature', value: '07', ts: at + 1 }]);
  expect(timeline.alerts.map(({ state }) => state)).toEqual(['firing', 'resolved']);
});

test('a level that is no number cannot be judged: that is an error, and said', () => {
  const timeline = new Timeline({ above: { tag: 'max' } }, { config: { max: 'warm' } });
  timeline.run('0s o1 500');
  expect(timeline.logs).toEqual(['the rule cannot be judged for o1 temperature: no level: "warm" is no number']);
});

cases('ladders and ends', [
  [
    'over while unknown is not over; what comes next says',
    { above: 80, clear: 75 },
    '0s o1 81 -> firing @0s\n1s o1 70!bad\n2s o1 78\n3s o1 75\n4s o1 74 -> resolved @4s',
  ],
]);

test('rungs at the same level: one of them would never be told', () => {
  const severities = { warning: { above: 80 }, critical: { above: 80 } };
  expect(() => new Timeline({ severities })).toThrow('a ladder goes up');
});

describe('repeats over a group', () => {
  test('are those of one series, not of all sensors of a device', () => {
    const timeline = new Timeline({ by: 'group', above: 80, matches: { times: 3 } }, { device: 'plant/hot' });
    timeline.run('0s gw1>o1 90\n1s gw1>o2 20\n2s gw1>o3 20\n3s gw1>o2 20');
    timeline.run('4s gw1>o1 90\n5s gw2>o1 90\n6s gw1>o1 90 -> firing @6s\n7s gw1>o1 20 -> resolved');
  });
});

describe('what is said', () => {
  const said = (rule: Partial<RuleInput>, text: string, device = 'plant/hot') => {
    const timeline = new Timeline(rule, { device });
    timeline.run(text);
    return timeline.alerts.map(({ summary, unit }) => [summary, unit ?? '-'].join(' / '));
  };

  test('of a count: how many, of how many, and of how many nobody knows; it is in no unit', () => {
    const rule = { by: 'group', unit: 'Cel', above: 80, inAtLeast: 2 } as const;
    expect(
      said(
        rule,
        '0s gw1>o 20, gw2>o 90, gw3>o 20\n1s offline gw1\n70s gw3>o 90 -> firing\n80s gw3>o 20, gw2>o 20 -> resolved',
      ),
    ).toEqual([
      'hot: above 80 for 2 of 3, at least 2, 1 unknown / -',
      'hot: above 80 for 0 of 3, at least 2, 1 unknown: over / -',
    ]);
  });

  test('of readings that are counted, and of a change in percent', () => {
    expect(said({ unit: 'Cel', sensor: 'o', value: { count: '10s' }, atLeast: 1 }, '0s o 1 -> firing')).toEqual([
      expect.stringMatching(/ is 1, at least 1 \/ -$/),
    ]);
    const changes = { unit: 'Cel', changesBy: { amount: '50%', within: '10s', direction: 'up' } } as const;
    expect(said(changes, '0s o 10\n10s o 20 -> firing')).toEqual([
      expect.stringMatching(/ is 100 %, at least 50 \/ %$/),
    ]);
  });
});
