/** Rules over a group: whose word counts while devices come and go, and what a step writes of them. */
import type { RuleInput } from '@weir/protocols';
import { describe, expect, test } from 'vitest';
import { check, T0, Timeline } from './episode/timeline.fixture.ts';

const GROUP = { device: 'plant/hot' };
const group = (rule: Partial<RuleInput>, text: string) => check({ ...rule, by: 'group' }, text, GROUP);

describe('semantics 3, over a group: what a device said that is away is not known', () => {
  test('one that is hot and away neither goes on to count, nor is it taken for well: the episode stands', () => {
    group(
      { above: 80, inAtLeast: 2 },
      `0s    gw1>o 90, gw2>o 20, gw3>o 20
       10s   gw2>o 90                  -> firing threshold @10s
       20s   offline gw2
       90s   gw1>o 91, gw3>o 20
       100s  online gw2
       110s  gw2>o 20                  -> resolved cleared @110s`,
    );
  });

  test('of two that are left none is hot enough: it fires once a second is known to be', () => {
    group(
      { above: 80, inAtLeast: 2 },
      `0s    gw1>o 90, gw2>o 20, gw3>o 20
       10s   offline gw1
       90s   gw2>o 90
       100s  gw3>o 95                  -> firing threshold @100s
       110s  gw3>o 20
       120s  online gw1
       130s  gw1>o 20                  -> resolved cleared @130s`,
    );
  });

  test('nobody is known to be well or not: after a minute that is told, and the first that is known goes on', () => {
    group(
      { above: 80, inAtLeast: 1 },
      `0s    gw1>o 90                  -> firing threshold @0s
       10s   offline gw1
       69s   tick
       129s  tick
       131s  tick                      -> no-data no-data @130s
       200s  online gw1
       210s  tick
       220s  gw1>o 90                  -> firing returned @220s
       230s  gw1>o 20                  -> resolved cleared`,
    );
  });

  test('a share is one of those that are known', () => {
    group(
      { above: 80, inAtLeast: '60%' },
      `0s    gw3>o 20, gw4>o 20, gw1>o 90, gw2>o 90
       10s   offline gw3
       80s   tick                      -> firing threshold @70s
       90s   online gw3
       91s   gw3>o 20                  -> resolved cleared @91s`,
    );
  });

  test('a mean leaves it out, until it says something again', () => {
    group(
      { above: 80, across: 'mean' },
      `0s    gw2>o 20, gw1>o 90
       10s   offline gw2
       71s   tick                      -> firing threshold @70s
       100s  online gw2
       110s  gw1>o 90
       120s  gw2>o 20                  -> resolved cleared @120s`,
    );
  });

  test('a line that is back within a minute changes nothing', () => {
    group(
      { above: 80, across: 'mean' },
      `0s    gw2>o 20, gw1>o 90
       10s   offline gw2
       60s   online gw2
       200s  tick`,
    );
  });

  test('what it kept while it was away is of the past: it is known again once it has caught up', () => {
    group(
      { above: 80, inAtLeast: 2 },
      `0s    gw1>o 90, gw2>o 20, gw3>o 20
       10s   offline gw2
       600s  online gw2
       601s  gw2>o 95 @100s
       602s  gw2>o 96 @200s
       610s  gw2>o 20
       620s  gw2>o 95                  -> firing threshold @620s`,
    );
  });

  test('one that is of the group no more is forgotten', () => {
    const { states } = group(
      { above: 80, inAtLeast: 2 },
      `0s    gw1>o 90, gw2>o 90         -> firing threshold @0s
       10s   gw3>o 20
       20s   gone gw2                  -> resolved cleared @20s
       30s   gw1>o 90`,
    );
    expect([...states.keys()].sort()).toEqual(['hot', 'hot/.', 'hot/~gw1', 'hot/~gw3']);
  });
});

describe('silence over a group', () => {
  // A restart counts it anew.
  const timeline = (text: string) => new Timeline({ sensor: 'o', silentFor: '5m', by: 'group' }, GROUP).run(text);

  test('of a device that is away nobody knows; once it is back its sensor has the whole time to be heard of', () => {
    timeline(
      `0s     gw1>o 1, gw2>o 1
       60s    offline gw2
       250s   gw1>o 2
       400s   gw1>o 2
       500s   online gw2
       600s   gw1>o 2
       799s   gw1>o 2
       801s   tick                     -> firing silent @800s
       810s   gw2>o 1                  -> resolved returned @810s`,
    );
  });

  test('first deployed while no device is there: not before one is, and then for the whole time', () => {
    timeline(
      `0s     unheard
       1000s  tick
       2000s  online gw1
       2299s  tick
       2301s  tick                     -> firing silent @2300s
       2310s  gw1>o 1                  -> resolved returned`,
    );
  });
});

describe('what a step writes of a group', () => {
  const RULES: [string, Partial<RuleInput>][] = [
    ['a count', { above: 80, inAtLeast: 3 }],
    ['a mean of windows', { above: 80, across: 'mean', value: { avg: '1m' } }],
    [
      'several rungs with windows and repeats',
      {
        severities: {
          warning: {
            when: {
              any: [
                { above: 70, matches: { times: 2, of: 3 } },
                { sensor: 'o', silentFor: '1h' },
              ],
            },
            clearWhen: { all: [{ metric: 'temperature', value: { max: '30s' }, below: 60 }] },
          },
        },
      },
    ],
    ['lateness', { above: 80, inAtLeast: 2, lateness: '30s' }],
    ['what is usual', { adaptive: true }],
  ];

  test.each(RULES)('%s: the devices that it heard of, and what is of none', (_, rule) => {
    const timeline = new Timeline({ ...rule, by: 'group' }, GROUP);
    for (let n = 0; n < 300; n++)
      timeline.take([{ sensor: 'o', metric: 'temperature', value: 20, ts: T0 + n }], `gw${n}`);
    timeline.now += 40_000;
    timeline.tick();
    const from = timeline.writes.length;
    timeline.take([{ sensor: 'o', metric: 'temperature', value: 21, ts: timeline.now }], 'gw7');
    const written = timeline.writes.slice(from).flat();
    expect(new Set(written).difference(new Set(['hot', 'hot/.', 'hot/~gw7']))).toEqual(new Set());
    const chars = written.reduce((sum, key) => sum + timeline.states.get(key)!.length, 0);
    expect(chars).toBeLessThan(10_000);
  });

  test.each(RULES)('%s: a restart anywhere changes nothing', (_, rule) => {
    const lines = (restarts: boolean) => {
      const timeline = new Timeline({ ...rule, by: 'group' }, GROUP);
      let dice = 7;
      const draw = (most: number) => {
        dice = (dice * 48_271) % 2_147_483_647;
        return dice % most;
      };
      for (let n = 0; n < 400; n++) {
        timeline.runTo(timeline.now + 1_000 * draw(20));
        const device = `gw${draw(4)}`;
        const kind = draw(12);
        if (kind === 0) timeline.tick();
        else if (kind < 3) timeline.member(device, (['online', 'offline', 'gone'] as const)[draw(3)]!);
        else {
          const ts = timeline.now - (draw(4) === 0 ? 1_000 * draw(200) : 0);
          timeline.take([{ sensor: `o${draw(2)}`, metric: 'temperature', value: 50 + draw(50), ts }], device);
        }
        if (restarts) timeline.restart();
      }
      return timeline.alerts;
    };
    expect(lines(true)).toEqual(lines(false));
  });

  test('what was kept in one piece is taken over, and kept in parts from then on', () => {
    const before = new Timeline({ above: 80, inAtLeast: 2, by: 'group' }, GROUP);
    before.run('0s gw1>o 90, gw2>o 20');
    const whole = before.fold.states;
    expect([...whole.keys()]).toEqual(['hot', 'hot/.']);
    before.states.clear();
    for (const [key, json] of whole) before.states.set(key, json);
    before.restart();
    before.run('10s gw2>o 90 -> firing threshold @10s');
    expect([...before.states.keys()].sort()).toEqual(['hot', 'hot/.', 'hot/~gw1', 'hot/~gw2']);
    before.restart();
    before.run('20s gw1>o 20 -> resolved cleared @20s');
    before.remove();
    expect([...before.states.keys()]).toEqual(['hot']);
  });
});
