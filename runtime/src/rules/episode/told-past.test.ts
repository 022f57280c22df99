/**
 * One excursion is one episode, also where its end was told as historical before its beginning came: what a backlog brings is
 * held, and told as of the past, and what is missing in it comes later still.
 */
import { describe, expect, test } from 'vitest';
import { check } from './timeline.fixture.ts';

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
});
