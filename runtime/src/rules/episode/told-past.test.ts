/**
 * One excursion is one episode, also where its end was told as historical before its beginning came: what a backlog brings is
 * held, and told as of the past, and what is missing in it comes later still.
 */
import type { RuleInput } from '@weir/protocols';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { check, expectSound, T0, Timeline } from './timeline.fixture.ts';

const rule = { above: 80, clear: 75 };
const before = `0s o1 20
                10s o1 20
                20s o1 20`;

describe('semantics 4, late data: what was told as historical, and of which more comes', () => {
  test('it began earlier than was told: it is the same episode, and no second one', () => {
    const { alerts } = check(
      rule,
      `${before}
       2h    o1 90 @120s, o1 85 @130s
       2h+1s o1 20 @140s -> firing historical @120s; resolved historical @140s since:120s
       2h+2s o1 20 @30s, o1 99 @100s
       2h+3s o1 88 @110s -> resolved corrected historical @140s since:100s`,
    );
    expect(new Set(alerts.map(({ episode }) => episode)).size).toBe(1);
    expect(alerts.at(-1)).toMatchObject({ seq: 3, peak: 99 });
  });

  test('what was over before it is an episode of its own', () => {
    const { alerts } = check(
      rule,
      `${before}
       2h    o1 90 @120s
       2h+1s o1 20 @130s -> firing historical @120s; resolved historical @130s
       2h+2s o1 85 @40s, o1 20 @50s, o1 82 @100s
       2h+3s o1 88 @110s -> firing historical @40s; resolved historical @50s; resolved corrected historical @130s since:100s`,
    );
    expect(alerts.at(-1)).toMatchObject({ peak: 90 });
  });

  test('over at the end of what was missing: both are episodes', () => {
    check(
      rule,
      `${before}
       2h    o1 90 @120s
       2h+1s o1 20 @130s -> firing historical @120s; resolved historical @130s
       2h+2s o1 85 @40s
       2h+3s o1 20 @110s -> firing historical @40s; resolved historical @110s`,
    );
  });

  test('one that was pending only when it was told', () => {
    check(
      { ...rule, for: '15s' },
      `${before}
       2h    o1 90 @120s, o1 85 @130s, o1 85 @140s
       2h+1s o1 20 @150s -> firing historical @135s; resolved historical @150s since:120s
       2h+2s o1 20 @30s, o1 82 @100s
       2h+3s o1 88 @110s -> resolved corrected historical @150s since:100s`,
    );
  });

  test('it ended earlier than was told, and began anew', () => {
    check(
      rule,
      `${before}
       2h    o1 90 @30s
       2h+1s o1 20 @130s -> firing historical @30s; resolved historical @130s
       2h+2s o1 85 @40s, o1 20 @50s, o1 90 @70s, o1 20 @80s
       2h+3s o1 20 @120s -> firing historical @70s; resolved historical @80s; resolved corrected historical @50s since:30s`,
    );
  });

  test('held over all that was missing it stands, as one that was told does', () => {
    check(
      rule,
      `${before}
       2h    o1 90 @30s
       2h+1s o1 90 @130s
       2h+2s o1 20 @50s, o1 90 @70s, o1 20 @120s
       2h+3s o1 20 @140s -> firing historical @30s; resolved historical @140s since:30s`,
    );
  });

  test('held and not told yet: nothing is corrected, it is told with its true begin', () => {
    check(
      rule,
      `${before}
       2h    o1 90 @120s
       2h+1s o1 20 @30s, o1 95 @100s, o1 88 @110s
       2h+2s o1 90 @2h     -> firing threshold since:100s
       2h+9s o1 20         -> resolved since:100s`,
    );
    const { alerts } = check(
      rule,
      `${before}
       2h    o1 90 @120s
       2h+1s o1 20 @30s, o1 95 @100s, o1 88 @110s
       2h+2s o1 20 @130s   -> firing historical since:100s; resolved historical @130s since:100s`,
    );
    expect(alerts.at(-1)).toMatchObject({ peak: 95 });
  });

  test('corrected from both of its sides it goes on in number, and keeps both', () => {
    check(
      rule,
      `${before}
       2h    o1 90 @120s, o1 90 @130s
       2h+1s o1 20 @230s -> firing historical @120s; resolved historical @230s
       2h+2s o1 20 @30s
       2h+3s o1 88 @110s -> resolved corrected historical @230s since:110s
       2h+4s o1 85 @140s, o1 20 @150s
       2h+5s o1 20 @220s -> resolved corrected historical @150s since:110s`,
    );
  });

  test('and so does one that was told as it happened', () => {
    const { alerts } = check(
      rule,
      `${before}
       120s o1 90 -> firing @120s
       130s o1 90
       230s o1 20 -> resolved @230s
       231s o1 85 @140s, o1 20 @150s
       232s o1 20 @220s -> resolved corrected @150s since:120s
       233s o1 20 @30s
       234s o1 88 @110s -> resolved corrected @150s since:110s`,
    );
    expect(alerts.some(({ historical }) => historical)).toBe(false);
    expect(alerts.at(-1)).toMatchObject({ peak: 90 });
  });

  test('of a rule on trial it stays on trial', () => {
    check(
      { ...rule, dryRun: true },
      `${before}
       2h    o1 90 @120s
       2h+1s o1 20 @130s -> firing historical dry; resolved historical dry
       2h+2s o1 20 @30s
       2h+3s o1 88 @110s -> resolved corrected historical dry since:110s`,
    );
  });

  test('what the first live reading ends is over by then', () => {
    check(
      rule,
      `${before}
       2h    o1 85 @10m
       2h+1s o1 20         -> firing historical @600s; resolved historical @7201s since:600s
       2h+9s o1 85         -> firing @7209s
       2h+19s o1 20        -> resolved @7219s since:7209s`,
    );
  });

  test('what was pending when the line broke, and was told as held over all of it', () => {
    check(
      { above: 80, for: '25s' },
      `${before}
       30s  o1 90
       100s o1 20       -> firing held @55s; resolved @100s since:30s
       101s o1 90 @40s, o1 90 @50s, o1 90 @60s, o1 20 @70s, o1 20 @80s
       102s o1 20 @90s  -> resolved corrected @70s since:30s`,
    );
  });

  test('two holes beside a reading between the levels', () => {
    check(
      rule,
      `${before}
       60s o1 77
       80s o1 20
       81s o1 20 @30s, o1 20 @40s
       82s o1 90 @50s  -> firing historical @50s; resolved historical @80s
       83s o1 90 @70s`,
    );
  });
});

/** Runs of readings of three lanes; each comes in order, one lane after another. */
const runs = fc.array(
  fc.record({
    count: fc.integer({ min: 1, max: 6 }),
    lane: fc.constantFrom(0, 0, 1, 2),
    batch: fc.integer({ min: 1, max: 8 }),
  }),
  { minLength: 2, maxLength: 14 },
);

test.each<Partial<RuleInput>>([{ above: 80 }, { above: 80, for: '25s' }])(
  'in whatever order its parts come: %o',
  (input) => {
    const values = fc.array(fc.constantFrom(20, 20, 90), { minLength: 84, maxLength: 84 });
    const property = fc.property(
      runs,
      values,
      fc.constantFrom(0, 7_200_000),
      fc.constantFrom(1_000, 40_000),
      (...drawn) => {
        const { episodes, excursions } = played(input, ...drawn);
        const within = ([from, to]: Span) => episodes.filter((at) => at >= from && at < to).length;
        for (const span of excursions) expect(within(span)).toBeLessThanOrEqual(1);
        expect(excursions.reduce((sum, span) => sum + within(span), 0)).toBe(episodes.length);
      },
    );
    fc.assert(property, { numRuns: 300 });
  },
);

type Span = [from: number, to: number];
type Runs = { count: number; lane: number; batch: number }[];

/** @returns when episodes began, and from when to when the value was beyond the level */
function played(input: Partial<RuleInput>, of: Runs, values: number[], lagMs: number, pauseMs: number) {
  const lanes = [0, 0, 0, ...of.flatMap(({ count, lane }) => Array<number>(count).fill(lane)), 0];
  const readings = lanes.map((lane, at) => {
    const isKnown = at < 3 || at === lanes.length - 1;
    return { lane, sensor: 'o1', metric: 'temperature', ts: T0 + at * 10_000, value: isKnown ? 20 : values[at % 84]! };
  });
  const timeline = new Timeline(input);
  const take = (some: typeof readings) => timeline.take(some.map(({ lane: _, ...reading }) => reading));
  for (const reading of readings.slice(0, 3)) {
    timeline.runTo(reading.ts);
    take([reading]);
  }
  timeline.runTo(readings.at(-1)!.ts + lagMs);
  let batches = 0;
  for (const lane of [0, 1, 2]) {
    const left = readings.slice(3).filter((each) => each.lane === lane);
    while (left.length > 0) {
      take(left.splice(0, of[batches++ % of.length]!.batch));
      timeline.runTo(timeline.now + pauseMs);
    }
  }
  timeline.runTo(timeline.now + 1_000_000);
  expectSound(timeline.alerts);
  const begins = new Map(timeline.alerts.map(({ episode, startedAt }) => [episode, startedAt]));
  return { episodes: [...begins.values()], excursions: excursionsOf(readings) };
}

function excursionsOf(readings: readonly { ts: number; value: number }[]): Span[] {
  const spans: Span[] = [];
  let since: number | undefined;
  for (const { ts, value } of readings) {
    if (value > 80) since ??= ts;
    else if (since !== undefined) {
      spans.push([since, ts]);
      since = undefined;
    }
  }
  return spans;
}
