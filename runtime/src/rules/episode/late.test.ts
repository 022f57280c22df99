import { describe, expect, test } from 'vitest';
import { check, T0, Timeline, wordsOf } from './timeline.fixture.ts';

const rule = { above: 80, clear: 75 };

/** Readings of a series each ten seconds, as lines. */
function every10s(from: number, values: readonly number[], arrives?: string): string {
  return values
    .map((value, at) => {
      const second = from + at * 10;
      return arrives === undefined ? `${second}s o1 ${value}` : `${arrives} o1 ${value} @${second}s`;
    })
    .join('\n');
}

describe('lateness: what is late within it is taken in order', () => {
  test('and nothing is decided before it', () => {
    check(
      { ...rule, lateness: '5s' },
      `0s o1 81
       4s o1 70
       4s o1 90 @3s
       5s tick      -> firing @0s
       9s tick      -> resolved @4s`,
    );
  });

  test('several readings of one moment, and the same one twice', () => {
    check(
      { above: 80, lateness: '5s', matches: { times: 3, of: 3 } },
      `0s o1 81, o1 82
       1s o1 81 @0s
       9s tick
       10s o1 83
       20s tick     -> firing @10s`,
    );
  });

  test('more that wait than there is room for go before their time', () => {
    const timeline = new Timeline({ above: 80, lateness: '1h' });
    for (let at = 0; at < 1_200; at++) {
      timeline.runTo(T0 + at * 1_000);
      timeline.take([{ sensor: 'o1', metric: 'temperature', ts: timeline.now, value: at === 5 ? 90 : 20 }]);
    }
    expect(timeline.alerts.map(wordsOf)).toEqual([
      'firing threshold warning o1 @5s since:5s',
      'resolved cleared warning o1 @6s since:5s',
    ]);
    expect(timeline.states.get('hot/o1/temperature')!.length).toBeLessThan(30_000);
  });
});

describe('semantics 4, late data after an outage', () => {
  test('an episode wholly in the past is recorded with its true times, and told to nobody', () => {
    const { alerts } = check(
      rule,
      `${every10s(0, [20, 20, 20])}
       120s o1 20
       ${every10s(30, [20, 81, 95, 90, 60, 20, 20, 20], '121s')}
       121s o1 20 @110s -> firing threshold historical @40s since:40s; resolved cleared historical @70s since:40s
       130s tick
       200s o1 20`,
    );
    expect(alerts.every(({ historical }) => historical)).toBe(true);
    expect(alerts[1]).toMatchObject({ peak: 95, value: 60 });
  });

  test('what the outage leaves open is told once no more has come for a while', () => {
    check(
      rule,
      `${every10s(0, [20, 20, 20])}
       620s o1 20
       621s o1 81 @40s
       621s o1 60 @60s
       651s tick  -> firing historical @40s; resolved historical @60s`,
    );
  });

  test('one that is still true gets its true begin', () => {
    const timeline = check(
      rule,
      `${every10s(0, [20, 20, 20])}
       120s o1 90 -> firing threshold @120s since:120s
       130s o1 85
       131s o1 20 @30s
       131s o1 82 @50s
       131s o1 99 @100s
       131s o1 88 @110s -> firing corrected @130s since:50s
       140s o1 70       -> resolved @140s since:50s`,
    );
    expect(timeline.alerts.at(-1)).toMatchObject({ peak: 99, seq: 3 });
  });

  test('one that is held by its clear level alone, and that the head did not see begin, fires now with its true begin', () => {
    check(
      rule,
      `${every10s(0, [20, 20, 20])}
       120s o1 77
       130s o1 78
       131s o1 82 @50s
       131s o1 84 @110s -> firing threshold @130s since:50s
       140s o1 77
       150s o1 70       -> resolved cleared @150s since:50s`,
    );
  });

  test('and one that ended after the outage, before the head was told of it, is of the past', () => {
    check(
      rule,
      `${every10s(0, [20, 20, 20])}
       120s o1 77
       130s o1 70
       131s o1 82 @50s
       131s o1 84 @110s -> firing historical @50s; resolved historical @130s`,
    );
  });

  test('what is pending has been so for longer', () => {
    check(
      { ...rule, for: '60s' },
      `${every10s(0, [20, 20, 20])}
       120s o1 90
       130s o1 85
       131s o1 82 @50s
       131s o1 88 @110s -> firing held since:50s
       140s o1 70       -> resolved`,
    );
  });

  test('a stale sample never ends a newer state, and what was told over the whole outage stands', () => {
    check(
      rule,
      `${every10s(0, [20, 90])}
       `
        .trim()
        .replace('10s o1 90', '10s o1 90 -> firing @10s') +
        `
       120s o1 90
       121s o1 20 @50s
       121s o1 85 @100s
       121s o1 85 @110s
       160s tick
       170s o1 20  -> resolved @170s since:10s`,
    );
  });

  test('an end that was sooner than could be known is set right', () => {
    check(
      rule,
      `0s o1 20
       10s o1 90        -> firing @10s
       120s o1 20       -> resolved cleared @120s
       121s o1 91 @20s
       121s o1 60 @50s
       121s o1 85 @70s
       121s o1 60 @90s
       121s o1 20 @110s -> firing historical @70s; resolved historical @90s; resolved corrected @50s since:10s`,
    );
  });

  test('live goes on while the outage is filled, out of order, with duplicates, over restarts', () => {
    check(
      rule,
      `${every10s(0, [20, 20, 20])}
       120s o1 20
       121s o1 95 @50s, o1 20 @30s
       130s o1 20
       131s o1 95 @50s, o1 60 @80s, o1 20 @40s
       140s o1 20
       141s o1 20 @120s, o1 20 @130s
       150s o1 20
       161s tick   -> firing historical @50s; resolved historical @80s`,
    );
  });

  test('an end that was sooner is set right, also where what comes first after the outage is unknown', () => {
    check(
      rule,
      `0s o1 20
       10s o1 90        -> firing @10s
       120s o1 90!bad
       130s o1 20       -> resolved cleared @130s
       131s o1 91 @20s
       131s o1 60 @50s
       131s o1 85 @70s
       131s o1 60 @90s
       131s o1 20 @125s -> firing historical @70s; resolved historical @90s; resolved corrected @50s since:10s`,
    );
  });

  test('longer gaps with nothing in them give way to what is left of an outage in which an episode was found', () => {
    check(
      rule,
      `0s   o1 20
       10s  o1 20
       200s o1 20
       201s o1 90 @100s, o1 90 @150s
       240s o1 20
       300s o1 20
       400s o1 20
       500s o1 20
       600s o1 20
       1200s tick -> firing historical @100s; resolved historical @200s`,
    );
  });

  test('where samples were missing before, the last of an outage is waited for: nothing is told of a gap that is not filled', () => {
    check(
      rule,
      `0s   o1 20
       10s  o1 20
       30s  o1 20
       117s o1 90           -> firing @117s
       118s o1 90 @90s, o1 90 @100s
       119s o1 20 @110s     -> firing historical @90s; resolved historical @110s
       200s o1 20           -> resolved since:117s`,
    );
  });

  test('a replay of all that was there changes nothing', () => {
    check(
      rule,
      `${every10s(0, [20, 20, 90]).replace('90', '90 -> firing')}
       30s o1 20   -> resolved
       40s o1 20 @0s, o1 20 @10s, o1 90 @20s, o1 20 @30s
       41s o1 90 @20s
       120s tick`,
    );
  });

  test('windows of the past are those of the past', () => {
    check(
      { above: 80, value: { avg: '30s' } },
      `${every10s(0, [20, 20, 20, 20, 20])}
       160s o1 20
       161s o1 200 @50s, o1 200 @60s, o1 200 @70s, o1 20 @80s, o1 20 @90s, o1 20 @100s, o1 20 @110s, o1 20 @120s
       192s o1 20
       195s tick`.replace('192s o1 20', '192s o1 20 -> firing historical; resolved historical'),
    );
  });
});

test('memory is bounded: however much comes late, a subject keeps three gaps and some hundred samples', () => {
  const timeline = new Timeline(rule);
  let at = 0;
  for (let gap = 0; gap < 20; gap++) {
    for (let i = 0; i < 5; i++) timeline.run(`${at + i * 10}s o1 20`);
    at += 5_050 + gap;
  }
  timeline.run(`${at}s o1 20`);
  const late = Array.from({ length: 5_000 }, (_, i) => ({
    sensor: 'o1',
    metric: 'temperature',
    value: i % 100 === 0 ? 90 : 20,
    ts: timeline.now - 5_000_000 + i * 900,
  }));
  for (let from = 0; from < late.length; from += 100) timeline.take(late.slice(from, from + 100));
  const json = timeline.states.get('hot/o1/temperature')!;
  expect(JSON.parse(json).gaps.length).toBeLessThanOrEqual(3);
  expect(json.length).toBeLessThan(60_000);
});

test('a reading that comes twice and says nothing does not end what was told while nobody knew', () => {
  check(
    { above: 80, noRecurrence: '60s' },
    `0s   o1 20
     5s   o1 20
     10s  o1 85          -> firing @10s
     50s  o1 20!bad
     90s  o1 20!bad
     95s  o1 20          -> resolved no-recurrence @95s
     99s  o1 20!bad @90s
     100s o1 20
     10m  tick
     40m  tick`,
  );
});

describe('semantics 4, a backlog that comes before anything else', () => {
  const before = every10s(0, [20, 20, 20]);

  test('what began and ended in it is historical, though nothing was late', () => {
    check(
      rule,
      `${before}
       2h    o1 85 @10m, o1 95 @20m
       2h+1s o1 60 @30m            -> firing historical @600s; resolved historical @1800s since:600s
       2h+2s o1 20 @2h`,
    );
  });

  test('what is true at its end fires as soon as it has caught up, with its true begin', () => {
    check(
      rule,
      `${before}
       2h    o1 20 @10m
       2h+1s o1 85 @20m, o1 95 @30m
       2h+2s o1 90 @2h           -> firing threshold @1200s since:1200s
       2h+9s o1 60               -> resolved @7209s`,
    );
  });

  test('one that stays behind is told after a pause, and from then on as it comes', () => {
    const { publishes } = check(
      { ...rule, actuate: { topic: 'siren', firing: 'on', resolved: 'off' } },
      `${before}
       2h     o1 85 @10m
       2h+20s o1 85 @610s
       2h+31s tick               -> firing threshold @600s
       2h+40s o1 60 @620s        -> resolved cleared @620s`,
    );
    expect(publishes).toHaveLength(2);
  });

  test('a trace of years ago is timed by itself, and told at once', () => {
    check(rule, `20000h o1 20 @0s\n20000h+9s o1 81 @9s -> firing @9s\n20000h+19s o1 60 @19s -> resolved @19s`);
  });
});
