import { describe, expect, test } from 'vitest';
import { check, Timeline } from './timeline.fixture.ts';

describe('how an episode begins', () => {
  test('at once', () => {
    check(
      { above: 80 },
      `0s o1 80
       1s o1 81   -> firing threshold warning @1s since:1s`,
    );
  });

  test('for so long, by the clock though nothing comes', () => {
    check(
      { above: 80, for: '10s' },
      `0s  o1 81
       9s  tick
       12s tick   -> firing held @10s since:0s`,
    );
  });

  test('what holds only for a while begins nothing, and what crosses again is held from there', () => {
    check(
      { above: 80, for: '10s' },
      `0s  o1 81
       9s  o1 79
       10s o1 81
       19s o1 81
       20s tick   -> firing held @20s since:10s`,
    );
  });
});

describe('how an episode ends', () => {
  test('past the clear level, not before', () => {
    check(
      { above: 80, clear: 75 },
      `0s o1 81  -> firing
       1s o1 77
       2s o1 75
       3s o1 74  -> resolved cleared @3s since:0s`,
    );
  });

  test('by a condition of its own', () => {
    check(
      { when: { above: 80 }, clearWhen: { metric: 'door', equals: true }, by: 'sensor' },
      `0s o1 81         -> firing
       1s o1 20
       2s o1/door false
       3s o1/door true  -> resolved cleared @3s`,
    );
  });

  test('goes on firing for so long, and what is true again meanwhile goes on with the episode', () => {
    check(
      { above: 80, keepFiringFor: '10s' },
      `0s  o1 81   -> firing @0s
       1s  o1 70   -> recovering cleared @1s
       5s  o1 82   -> firing threshold @5s since:0s
       6s  o1 70   -> recovering @6s
       15s o1 71
       16s tick    -> resolved kept @16s since:0s`,
    );
  });

  test('after so many samples in a row for which it is over; one between the levels begins the count anew', () => {
    check(
      { above: 80, clear: 75, clearAfter: { samples: 3 } },
      `0s o1 81   -> firing
       1s o1 70   -> recovering
       2s o1 71
       3s o1 77
       4s o1 70
       5s o1 70
       6s o1 70   -> resolved cleared @6s`,
    );
  });

  test('when nothing of the kind has come for so long, whatever the clear condition says', () => {
    check(
      { above: 80, noRecurrence: '60s' },
      `0s   o1 81  -> firing @0s
       1s   o1 0
       50s  o1 90
       51s  o1 0
       109s tick
       110s tick   -> resolved no-recurrence @110s
       120s o1 85  -> firing @120s`,
    );
  });

  test('an event that is the last value of its series ends too, and the next of it begins another', () => {
    check(
      { above: 80, noRecurrence: '60s' },
      `0s   o1 81  -> firing @0s
       60s  tick   -> resolved no-recurrence @60s
       90s  tick
       100s o1 81  -> firing @100s`,
    );
  });

  test('what had not recurred for so long before it was held ends as soon as it has fired, not when the clock ticks', () => {
    check(
      { above: 80, for: '9s', noRecurrence: '8s', lateness: '5s' },
      `0s    o1 81
       14s   tick    -> firing held @9s since:0s
       15s   tick    -> resolved no-recurrence @9.001s since:0s
       30s   o1 70
       40.3s o1 81
       60s   tick    -> firing held @49.3s since:40.3s; resolved no-recurrence @49.301s`,
    );
  });

  test('by itself after so long, and not again before it was over', () => {
    check(
      { above: 80, resolveAfter: '60s' },
      `0s   o1 81  -> firing @0s
       59s  o1 82
       60s  tick   -> resolved expired @60s
       70s  o1 83
       80s  o1 70
       90s  o1 81  -> firing @90s since:90s`,
    );
  });

  test('by itself while it is held by its clear level only; what is true then is to be held again', () => {
    check(
      { above: 80, clear: 70, for: '10s', resolveAfter: '60s' },
      `0s   o1 81
       10s  tick   -> firing held @10s
       20s  o1 75
       70s  tick   -> resolved expired @70s
       80s  o1 81
       90s  tick   -> firing held @90s since:80s`,
    );
  });

  test('by hand only: a level of manual rules ends nothing, and what is true then begins anew', () => {
    check(
      { above: 80, manual: true },
      `0s  o1 81  -> firing
       1s  o1 20
       2s  o1 90
       3s  end    -> resolved manual
       4s  o1 91  -> firing threshold @4s since:4s`,
    );
  });

  test('latched: the transition says so, and the fold goes on as without', () => {
    check(
      { above: 80, latch: true },
      `0s o1 81  -> firing latch
       1s o1 70  -> resolved cleared latch
       2s o1 81  -> firing latch @2s`,
    );
  });

  test('when its rule is taken away', () => {
    const timeline = new Timeline({ above: 80 }).run(`0s o1 81 -> firing`);
    timeline.remove();
    expect(timeline.alerts.at(-1)).toMatchObject({ state: 'resolved', reason: 'removed', seq: 2 });
    expect([...timeline.states.keys()].filter((key) => key !== 'hot')).toEqual([]);
  });

  test('when another version no longer watches it', () => {
    const timeline = new Timeline({ above: 80 }).run(`0s o1 81, p1 81 -> firing o1; firing p1`);
    timeline.replace({ above: 80, sensor: 'p*' });
    expect(timeline.alerts.slice(2)).toMatchObject([{ state: 'resolved', reason: 'removed', sensor: 'o1' }]);
    timeline.run(`1s p1 70, o1 90 -> resolved cleared p1`);
  });
});

describe('a ladder moves both ways', () => {
  const severities = { warning: { above: 70, clear: 65 }, critical: { above: 80, clear: 76 } };

  test('up, and down when the higher rung is over', () => {
    check(
      { severities },
      `0s o1 71   -> firing threshold warning
       1s o1 81   -> firing severity critical since:0s
       2s o1 77
       3s o1 75   -> firing severity warning
       4s o1 85   -> firing severity critical
       5s o1 60   -> resolved cleared critical @5s since:0s`,
    );
  });

  test('down to a rung that is held by its clear level only', () => {
    check(
      { severities },
      `0s o1 90   -> firing critical
       1s o1 67   -> firing severity warning
       2s o1 64   -> resolved warning`,
    );
  });

  test('up only after being held, as the first rung', () => {
    check(
      { severities, for: '10s' },
      `0s  o1 71
       5s  o1 81
       10s tick   -> firing held warning @10s since:0s
       15s tick   -> firing severity critical @15s since:0s
       20s o1 60  -> resolved`,
    );
  });

  const apart = {
    by: 'device' as const,
    for: '9s',
    severities: {
      warning: { when: { sensor: 'o1', metric: 'temperature', above: 70 } },
      critical: { when: { sensor: 'o2', metric: 'temperature', above: 80 } },
    },
  };

  test('a rung that is pending goes on being held when another one ends the episode, though nothing more comes', () => {
    check(
      { ...apart, lateness: '5s' },
      `0s  o2 81
       14s tick    -> firing held critical @9s since:0s
       16s o1 71
       20s o2 60
       25s tick    -> resolved cleared critical @20s
       30s tick    -> firing held warning @25s since:16s
       40s o1 60
       45s tick    -> resolved cleared warning @40s since:16s`,
    );
  });

  test('a rung that becomes true with the reading that ends another is held from there', () => {
    check(
      {
        for: '9s',
        severities: { warning: { below: 10 }, critical: { above: 80 } },
      },
      `0s  o1 81
       9s  tick    -> firing held critical
       20s o1 5    -> resolved cleared critical @20s
       29s tick    -> firing held warning @29s since:20s`,
    );
  });

  test('a rung that is pending goes on with an episode that would go on firing, at once', () => {
    check(
      { ...apart, keepFiringFor: '30s' },
      `0s  o2 81
       9s  tick    -> firing held critical @9s since:0s
       16s o1 71
       20s o2 60   -> firing severity warning @20s since:0s
       25s o1 60   -> recovering cleared @25s
       55s tick    -> resolved kept @55s since:0s`,
    );
  });

  test('a rung that is over while its condition is unknown is to be held again', () => {
    check(
      {
        by: 'device',
        for: '9s',
        severities: {
          warning: { when: { sensor: 'o1', metric: 'temperature', above: 70 } },
          critical: {
            when: { sensor: 'o2', metric: 'temperature', above: 80 },
            clearWhen: { sensor: 'o2', metric: 'door', equals: true },
          },
        },
      },
      `0s  o1 71, o2 81
       9s  tick                    -> firing held critical @9s since:0s
       10s o2 81!bad
       11s o2/door true            -> firing severity warning @11s
       12s o2/door false
       13s o2 82
       21s tick
       22s tick                    -> firing severity critical @22s since:0s`,
    );
  });
});

describe('times at which a rule is watched', () => {
  // 2023-11-14 22:13:20 UTC is second 0.
  const schedule = { zone: 'UTC', times: ['22:14-22:15'] };

  test('what fires ends with them, and what is still true begins with the next', () => {
    check(
      { above: 80, schedule: { zone: 'UTC', times: ['22:14-22:15', '22:20-22:21'] } },
      `0s   o1 81
       40s  tick   -> firing threshold @40s since:40s
       50s  o1 90
       100s tick   -> resolved schedule @100s
       110s o1 91
       400s tick   -> firing @400s since:400s
       460s tick   -> resolved schedule @460s`,
    );
  });

  test('what is pending comes to nothing', () => {
    check(
      { above: 80, for: '30s', schedule },
      `0s   o1 60
       80s  o1 81
       200s tick`,
    );
  });

  test('in times of maintenance it is told with until when nobody is to be told', () => {
    check(
      { above: 80, maintenance: schedule },
      `0s   o1 81   -> firing @0s
       50s  o1 60   -> resolved @50s muted:100s
       60s  o1 81   -> firing muted:100s
       110s o1 60   -> resolved @110s`,
    );
  });
});

test('every transition carries the value, level, peak, unit, causes, labels, runbook and description', () => {
  const timeline = check(
    {
      above: 80,
      unit: 'Cel',
      labels: { team: 'bakery' },
      runbook: 'wiki/{metric}',
      description: '{sensor} is at {value} {unit}, the level is {level}',
    },
    `0s o1 81   -> firing
     1s o1 95
     2s o1 70   -> resolved`,
  );
  expect(timeline.alerts).toMatchObject([
    { value: 81, level: 80, peak: 81, unit: 'Cel', labels: { team: 'bakery' }, runbook: 'wiki/temperature' },
    { value: 70, level: 80, peak: 95, unit: 'Cel', labels: { team: 'bakery' }, runbook: 'wiki/temperature' },
  ]);
  expect(timeline.alerts[0]).toMatchObject({
    summary: 'o1 temperature is 81 Cel, above 80',
    description: 'o1 is at 81 Cel, the level is 80',
    source: { kind: 'rule', name: 'hot', version: '1' },
    causes: [{ sensor: 'o1', metric: 'temperature', value: 81 }],
  });
  expect(timeline.alerts[1]!.summary).toBe('o1 temperature is back at 70 Cel, was above 80');
});

describe('actuation', () => {
  const actuate = { topic: 'siren/1', firing: 'on', resolved: 'off' };

  test('is published once when it fires and once when it ends, under names that a replay repeats', () => {
    const severities = { warning: { above: 70 }, critical: { above: 80 } };
    const text = `0s o1 71   -> firing
      1s o1 81         -> firing severity
      2s o1 60         -> resolved`;
    const { publishes } = check({ severities, actuate }, text);
    expect(publishes.map(({ topic, payload }) => `${topic} ${payload}`)).toEqual(['siren/1 on', 'siren/1 off']);
    expect(new Timeline({ severities, actuate }).run(text).publishes).toEqual(publishes);
  });

  test('is not done by a dry run, whose transitions say that they are one', () => {
    const { publishes } = check(
      { above: 80, actuate, dryRun: true },
      `0s o1 81 -> firing dry\n1s o1 1 -> resolved dry`,
    );
    expect(publishes).toEqual([]);
  });

  test('belongs to an episode as it began: one of a trial stays silent once the rule is trusted, what fires then is told', () => {
    const line = new Timeline({ above: 80, actuate, dryRun: true }).run('0s o1 81, o2 70 -> firing dry');
    line.replace({ above: 80, actuate });
    line.run('10s o1 82, o2 81 -> firing\n20s o1 60, o2 60 -> resolved dry; resolved');
    expect(line.alerts.map(({ sensor, dryRun = false }) => `${sensor} ${dryRun}`)).toEqual([
      'o1 true',
      'o2 false',
      'o1 true',
      'o2 false',
    ]);
    expect(line.publishes.map(({ payload }) => payload)).toEqual(['on', 'off']);
  });

  test('what was told as fired is told as ended, and switched off, though its rule is on trial by then', () => {
    const line = new Timeline({ above: 80, actuate }).run('0s o1 81 -> firing');
    line.replace({ above: 80, actuate, dryRun: true });
    line.run('10s o1 60 -> resolved');
    expect(line.alerts.map(({ dryRun = false }) => dryRun)).toEqual([false, false]);
    expect(line.publishes.map(({ payload }) => payload)).toEqual(['on', 'off']);
  });

  test('ends when a person ends the episode', () => {
    const { publishes } = check({ above: 80, actuate }, `0s o1 81 -> firing\n1s end -> resolved manual`);
    expect(publishes.map(({ payload }) => payload)).toEqual(['on', 'off']);
  });
});
