/** What the field gets wrong, and the fold must not; numbered as the semantics of alerting that Weir fixes. */
import { describe, expect, test } from 'vitest';
import { check, expectSound, msOf, T0, Timeline, wordsOf } from './timeline.fixture.ts';

const rule = { above: 80, clear: 75 };

describe('semantics 1, episode and not message', () => {
  test('each series has its own, transitions are numbered without holes, and the same input gives the same ids', () => {
    const text = `0s o1 81, o2 82  -> firing o1; firing o2
      1s o1 70                -> resolved o1
      2s o1 81, o2 60         -> firing o1; resolved o2`;
    const { alerts } = check(rule, text);
    expect(new Set(alerts.map(({ episode }) => episode)).size).toBe(3);
    expect(alerts.map(({ seq }) => seq)).toEqual([1, 1, 2, 1, 2]);
    expect(check(rule, text).alerts).toEqual(alerts);
  });
});

describe('semantics 3, no-data is a state of its own, and connectivity owns it', () => {
  test('field pains 2 and 5: a device that is away freezes its rules: no false end, no false fire, no silence', () => {
    check(
      { severities: { warning: { ...rule }, critical: { silentFor: '5m' } } },
      `0s   o1 81     -> firing warning
       10s  offline
       69s  tick
       70s  tick      -> no-data no-data warning @70s
       2h   tick
       2h   online
       2h+30s o1 85   -> firing returned warning
       2h+40s o1 60   -> resolved cleared warning`,
    );
  });

  test('a line that is back within a minute tells nothing', () => {
    check(
      rule,
      `0s  o1 81   -> firing
       10s offline
       50s online
       55s o1 82
       90s offline
       95s online
       99s o1 83
       5m  tick`,
    );
  });

  test('what was pending was not held while nobody looked', () => {
    check(
      { above: 80, for: '60s' },
      `0s    o1 81
       30s   offline
       1h    tick
       1h    online
       1h+10s o1 82
       1h+19s tick
       1h+31s tick   -> firing held since:3570s`,
    );
  });

  test('what came of the time away is told with its true begin, once it is here', () => {
    check(
      { above: 80, for: '60s' },
      `0s     o1 20
       10s    o1 20
       20s    o1 81
       30s    offline
       10m    online
       10m    o1 82
       10m+5s o1 81 @40s, o1 82 @120s
       10m+9s o1 81 @9m+50s  -> firing held since:20s`,
    );
  });

  test('it stays no-data until its own sensor is heard of again', () => {
    check(
      rule,
      `0s  o1 81, o2 20   -> firing o1
       10s offline
       80s tick           -> no-data @70s
       90s online
       95s o2 20
       10m tick
       11m o1 70          -> resolved cleared`,
    );
  });
});

describe('semantics 5, timers are durable', () => {
  test('a restart arms what was pending, recovering, or to expire again, and resets nothing', () => {
    check(
      { above: 80, for: '60s', keepFiringFor: '60s', resolveAfter: '10m' },
      `0s   o1 81
       20s  restart
       40s  restart
       60s  tick      -> firing held @60s since:0s
       70s  o1 70     -> recovering @70s
       100s restart
       130s tick      -> resolved kept @130s`,
    );
  });

  test('nothing fires because the host was down: what had fallen due meanwhile waits for a reading, or to settle', () => {
    const timeline = new Timeline({ above: 80, for: '60s' }).run(`0s o1 81`);
    timeline.now = T0 + msOf('1h');
    timeline.restart();
    timeline.run(
      `1h+30s tick
       1h+59s tick
       1h+61s tick  -> firing held @60s`,
    );
  });

  test('no-data at every upgrade: silence is counted from the start on, and not before things have settled', () => {
    const timeline = new Timeline({ silentFor: '30s', sensor: 'o1' }).run(`0s o1 20\n10s o1 20`);
    timeline.now = T0 + msOf('1h');
    timeline.restart();
    timeline.run(
      `1h+59s tick
       1h+61s tick     -> firing silent
       1h+70s o1 20    -> resolved returned`,
    );
  });
});

describe('semantics 6, unknown is no crossing', () => {
  test('field pain 7: a value that is no value begins nothing and ends nothing', () => {
    check(
      { ...rule, when: undefined },
      `0s o1 20
       1s o1 99!bad
       2s o1 unavailable
       3s o1 81        -> firing
       4s o1 0!bad
       5s o1 unavailable
       6s o1 82
       7s o1 60        -> resolved`,
    );
  });

  test('nothing is told to be held while nobody knows', () => {
    check(
      { above: 80, for: '10s' },
      `0s  o1 81
       5s  o1 81!bad
       20s tick
       21s o1 70
       30s o1 81
       35s o1 81!bad
       50s o1 82       -> firing held @50s since:30s`,
    );
  });

  test('what fired and is not known for a while is no-data, until it is known', () => {
    check(
      rule,
      `0s   o1 81       -> firing
       10s  o1 81!bad
       50s  o1 82
       60s  o1 81!bad
       119s tick
       121s tick       -> no-data no-data @120s
       130s o1 85      -> firing returned @130s
       140s o1 70      -> resolved`,
    );
  });

  test('what cannot be judged is an error, and the log says why, once', () => {
    const timeline = check(
      { above: { tag: 'max-temp' } },
      `0s o1 81
       1s o2 81`,
    );
    expect(timeline.logs.slice(0, 1)).toMatchObject([
      expect.stringMatching(/cannot be judged for o1 temperature: .*max-temp/),
    ]);
    expect(timeline.logs).toHaveLength(1);
    check({ above: { tag: 'max-temp' } }, `0s o1 81 -> firing`, { config: { 'max-temp': 80 } });
  });
});

describe('semantics 7, only fresh samples count', () => {
  test('a reading that comes again, live or later, is the same one', () => {
    check(
      { above: 80, matches: { times: 3, of: 3 } },
      `0s o1 81
       0s o1 81
       1s o1 82
       1s o1 82
       2s o1 81 @0s, o1 82 @1s
       3s o1 83   -> firing`,
    );
  });

  test('samples for which it is over are counted once each', () => {
    check(
      { ...rule, clearAfter: { samples: 2 } },
      `0s o1 81   -> firing
       1s o1 70   -> recovering
       1s o1 70
       2s o1 70 @1s
       3s tick
       4s o1 71   -> resolved`,
    );
  });
});

test('semantics 8, daylight saving: a rule is watched by the clock on the wall, on days on which it is set, too', () => {
  // Vienna: 2024-03-31 02:00 -> 03:00. 06:00 is 05:00 UTC before, 04:00 UTC from then on.
  const schedule = { zone: 'Europe/Vienna', times: ['06:00-07:00'] };
  const at = (iso: string) => `${(Date.parse(iso) - T0) / 1_000}s`;
  check(
    { above: 80, schedule },
    `${at('2024-03-30T04:59:00Z')} o1 81
     ${at('2024-03-30T05:00:10Z')} tick -> firing @${at('2024-03-30T05:00:00Z')}
     ${at('2024-03-30T06:00:10Z')} tick -> resolved schedule @${at('2024-03-30T06:00:00Z')}
     ${at('2024-03-31T04:00:10Z')} tick -> firing @${at('2024-03-31T04:00:00Z')}
     ${at('2024-03-31T05:00:10Z')} tick -> resolved schedule @${at('2024-03-31T05:00:00Z')}`,
  );
});

describe('the clock', () => {
  test('that jumps to 2100 and back, at the sensor or the device, raises no storm and blinds nothing', () => {
    const timeline = check(
      { ...rule, for: '10s' },
      `0s  o1 20
       1s  o1 20 @2400000000s
       12s o1 81
       22s tick   -> firing held @22s
       30s o1 60  -> resolved @30s`,
    );
    expectSound(timeline.alerts);
  });

  test('that was ahead and is set back by somebody: what is fresh counts at once', () => {
    const timeline = new Timeline(rule).run(`1h o1 81 -> firing`);
    timeline.now = T0;
    timeline.run(`10s o1 82\n20s o1 60 -> resolved`);
  });

  test('of a device that had none, at 1970, and learns the time: what was held is held as long', () => {
    const timeline = new Timeline({ above: 80, for: '60s' });
    timeline.now = 1_000_000;
    timeline.take([{ sensor: 'o1', metric: 'temperature', value: 81, ts: timeline.now }]);
    timeline.now = 1_030_000;
    timeline.fold.moveTime({ from: 900_000, shift: T0 - 1_030_000, now: T0 });
    timeline.now = T0;
    timeline.run(`29s tick\n31s tick -> firing held @30s since:-30s`);
  });
});

describe('too many at once', () => {
  const many = (from: number, to: number, value: number, at: string) =>
    `${at} ${Array.from({ length: to - from }, (_, i) => `s${from + i} ${value}`).join(', ')}`;

  test('are one episode that counts them, grows by doubling and ends when they are over; each of the others is told', () => {
    const timeline = check(
      { above: 80, limit: 2 },
      `${many(0, 2, 90, '0s')}   -> firing s0; firing s1
       ${many(2, 5, 90, '1s')}   -> firing summary count:3
       ${many(5, 7, 90, '2s')}
       ${many(7, 9, 90, '3s')}   -> firing summary count:7
       ${many(0, 1, 20, '4s')}   -> resolved s0
       ${many(9, 10, 90, '5s')}  -> firing s9
       ${many(2, 9, 20, '6s')}   -> resolved summary
       ${many(1, 2, 20, '7s')}   -> resolved s1`,
    );
    expect(timeline.alerts.filter(({ reason }) => reason === 'summary').map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(timeline.alerts[2]!.summary).toBe(
      'hot: 3 more than the 2 that are told one by one: s2 temperature, s3 temperature, s4 temperature',
    );
    expect(timeline.alerts[2]!.causes).toHaveLength(3);
  });

  test('a person ends them all with the summary', () => {
    check(
      { above: 80, limit: 1 },
      `${many(0, 4, 90, '0s')}   -> firing s0; firing summary count:3
       1s end                    -> resolved manual
       2s s1 91                  -> firing summary count:1`,
    );
  });
});

test('what a step writes are the subjects that it changed', () => {
  const timeline = new Timeline(rule);
  const all = Array.from({ length: 10_000 }, (_, at) => ({
    sensor: `s${at}`,
    metric: 'temperature',
    value: 20,
    ts: T0,
  }));
  timeline.take(all);
  expect(timeline.writes.at(-1)).toHaveLength(10_000);
  timeline.run(`1s s17 90, s18 20 -> firing s17`);
  expect(timeline.writes.at(-1)!.sort()).toEqual(['hot', 'hot/s17/temperature', 'hot/s18/temperature']);
  timeline.run(`2s tick`);
  expect(timeline.writes.at(-1)).toEqual([]);
  expect(timeline.states.get('hot/s18/temperature')!.length).toBeLessThan(400);
});

test('more subjects than there is room for: the log says so, and those that are quiet and heard of longest ago give way', () => {
  const timeline = new Timeline(rule);
  for (let at = 0; at < 10_500; at += 500) {
    timeline.now += 1_000;
    timeline.take(
      Array.from({ length: 500 }, (_, i) => ({
        sensor: `s${at + i}`,
        metric: 'temperature',
        value: 90,
        ts: timeline.now,
      })).map((each, i) => (at === 0 && i === 0 ? each : { ...each, value: 20 })),
    );
  }
  expect(timeline.logs).toEqual([expect.stringMatching(/10000 series or sensors/)]);
  expect(timeline.states.size).toBeLessThan(10_002);
  expect(timeline.states.has('hot/s0/temperature')).toBe(true);
  expect(timeline.states.has('hot/s1/temperature')).toBe(false);
});

test('of the form that states had before: what fired, was pending, or was quiet goes on', () => {
  const timeline = new Timeline({ ...rule, for: '10s' });
  const watched = (over: object) => ({
    episode: 'abcdefgh12345678',
    seq: 1,
    severity: 'warning',
    peak: 90,
    metric: 'temperature',
    lastTs: T0,
    lastValue: 90,
    lagMs: 0,
    startedAt: T0 - 20_000,
    ...over,
  });
  timeline.states.set(
    'hot',
    JSON.stringify({
      opened: 7,
      watched: {
        'o1/temperature': watched({ phase: 'firing', sensor: 'o1' }),
        'o2/temperature': watched({
          phase: 'pending',
          sensor: 'o2',
          seq: 0,
          startedAt: T0 - 5_000,
          episode: 'bbbbbbbb12345678',
        }),
      },
      quiet: [['o3/temperature', T0 + 500]],
    }),
  );
  timeline.restart();
  timeline.run(`1s o3 99 @0s\n5s tick -> firing held o2 @5s since:-5s\n6s o1 60 -> resolved cleared o1 since:-20s`);
  expect(timeline.alerts[1]).toMatchObject({ episode: 'abcdefgh12345678', seq: 2, peak: 90 });
  expect(JSON.parse(timeline.states.get('hot')!)).toEqual({ opened: 7 });
  expect(timeline.alerts.map(wordsOf)).toHaveLength(2);
});

test('every time it is judged an observer is told of what the conditions said', () => {
  const steps: string[] = [];
  new Timeline(rule, {
    onStep: ({ subject, judged: { rungs, machine } }) =>
      steps.push(`${subject} ${rungs[0]!.when.value} ${rungs[0]!.when.verdict} ${machine.phase}`),
  }).run(`0s o1 81 -> firing\n1s o1 60 -> resolved`);
  expect(steps).toEqual(['o1/temperature 81 true firing', 'o1/temperature 60 false quiet']);
});
