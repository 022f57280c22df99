import { type AlertTransition, type RuleInput, transitionKey } from '@weir/protocols';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { expectSound, T0, Timeline } from './timeline.fixture.ts';

/** Rules of every kind that ends by itself. */
const RULES: Partial<RuleInput>[] = [
  { above: 80 },
  { above: 80, clear: 75, for: '7s' },
  { above: 80, clear: 75, keepFiringFor: '9s', clearAfter: { samples: 2 } },
  { severities: { warning: { above: 70, clear: 65 }, critical: { above: 85, clear: 78 } }, for: '3s' },
  { above: 80, noRecurrence: '20s' },
  { above: 80, resolveAfter: '15s' },
  { above: 80, clear: 75, lateness: '5s' },
  { above: 80, value: { avg: '10s' } },
  { above: 80, matches: { times: 2, of: 3 } },
  { above: 80, limit: 1 },
];

type Act =
  | { kind: 'sample'; sensor: string; value: number; quality?: string | undefined; lateMs: number; waitMs: number }
  | { kind: 'presence'; online: boolean; waitMs: number };

const waitMs = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 3_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 3_000, max: 120_000 }) },
);
const sample = fc.record({
  kind: fc.constant('sample' as const),
  sensor: fc.constantFrom('a', 'b'),
  value: fc.integer({ min: 55, max: 95 }),
  quality: fc.constantFrom(undefined, undefined, undefined, 'bad'),
  lateMs: fc.oneof(
    { weight: 5, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 400_000 }) },
  ),
  waitMs,
});
const presence = fc.record({ kind: fc.constant('presence' as const), online: fc.boolean(), waitMs });
const acts = fc.array(fc.oneof({ weight: 15, arbitrary: sample }, { weight: 1, arbitrary: presence }), {
  maxLength: 80,
});

function play(
  rule: Partial<RuleInput>,
  played: readonly Act[],
  afterEach: (timeline: Timeline, at: number) => void = () => {},
) {
  const timeline = new Timeline(rule);
  for (const [at, act] of played.entries()) {
    timeline.runTo(timeline.now + act.waitMs);
    if (act.kind === 'presence') timeline.presence(act.online);
    else {
      const { sensor, value, quality, lateMs } = act;
      const reading = { sensor, metric: 'temperature', value, ts: timeline.now - lateMs };
      timeline.take([quality === undefined ? reading : { ...reading, quality }]);
    }
    afterEach(timeline, at);
  }
  return timeline;
}

/** Each is well again, and time goes by. */
function settle(timeline: Timeline): void {
  timeline.presence(true);
  for (let at = 0; at < 20; at++) {
    timeline.runTo(timeline.now + 2_000);
    timeline.take(['a', 'b'].map((sensor) => ({ sensor, metric: 'temperature', value: 40, ts: timeline.now })));
  }
  timeline.runTo(timeline.now + 1_000_000);
}

function byKey(alerts: readonly AlertTransition[]): AlertTransition[] {
  return alerts.toSorted((a, b) => (transitionKey(a) < transitionKey(b) ? -1 : 1));
}

function open(alerts: readonly AlertTransition[]): string[] {
  const states = new Map(alerts.map(({ episode, state }) => [episode, state]));
  return [...states].filter(([, state]) => state !== 'resolved').map(([episode]) => episode);
}

test('an end follows each firing; numbers have no holes; time of an episode does not go back', () => {
  fc.assert(
    fc.property(fc.constantFrom(...RULES), acts, (rule, played) => {
      const timeline = play(rule, played);
      settle(timeline);
      expectSound(timeline.alerts);
      expect(open(timeline.alerts)).toEqual([]);
      for (const { state, historical } of timeline.alerts) expect(state === 'pending' && !historical).toBe(false);
    }),
    { numRuns: 300 },
  );
});

test('a restart at any step changes nothing', () => {
  fc.assert(
    fc.property(fc.constantFrom(...RULES), acts, fc.integer({ min: 1, max: 7 }), (rule, played, every) => {
      const without = play(rule, played);
      const restarted = play(rule, played, (timeline, at) => {
        if (at % every === 0) timeline.restart();
      });
      settle(without);
      settle(restarted);
      // What had fallen due just then is told a little later: of several episodes another one may come first.
      expect(byKey(restarted.alerts)).toEqual(byKey(without.alerts));
    }),
    { numRuns: 300 },
  );
});

test('readings that are unknown, however many, neither begin an episode nor end one', () => {
  const unknown = fc.record({
    value: fc.constantFrom(0, 99, 1e9),
    quality: fc.constantFrom('bad', 'unknown', 'stale'),
  });
  fc.assert(
    fc.property(
      fc.constantFrom(...RULES),
      fc.boolean(),
      fc.array(unknown, { maxLength: 30 }),
      (rule, fires, values) => {
        const { lateness: _, ...own } = rule;
        const timeline = new Timeline({
          ...own,
          ...(rule.noRecurrence || rule.resolveAfter ? { noRecurrence: undefined, resolveAfter: undefined } : {}),
        });
        for (let at = 0; at < 5; at++) {
          timeline.runTo(timeline.now + 5_000);
          timeline.take([{ sensor: 'a', metric: 'temperature', value: fires ? 90 : 40, ts: timeline.now }]);
        }
        const known = timeline.alerts.length;
        expect(known > 0).toBe(fires);
        for (const each of values) {
          timeline.runTo(timeline.now + 1_000);
          timeline.take([{ sensor: 'a', metric: 'temperature', ts: timeline.now, ...each }]);
        }
        const since = timeline.alerts.slice(known).map(({ state }) => state);
        expect(since.filter((state) => state !== 'no-data')).toEqual([]);
      },
    ),
    { numRuns: 200 },
  );
});

test('input that flaps is bounded: with a time to hold, or to keep, no more transitions than these allow', () => {
  const values = fc.array(fc.integer({ min: 60, max: 100 }), { minLength: 50, maxLength: 300 });
  fc.assert(
    fc.property(values, fc.constantFrom(10, 30, 60), (played, holdS) => {
      const timeline = new Timeline({ above: 80, clear: 78, for: `${holdS}s`, keepFiringFor: `${holdS}s` });
      for (const value of played) {
        timeline.runTo(timeline.now + 1_000);
        timeline.take([{ sensor: 'a', metric: 'temperature', value, ts: timeline.now }]);
      }
      const firings = timeline.alerts.filter(({ seq }) => seq === 1);
      expect(firings.length).toBeLessThanOrEqual(Math.ceil((timeline.now - T0) / 1_000 / (2 * holdS)) + 1);
    }),
    { numRuns: 100 },
  );
});

test('the same readings twice, in whatever order they come again, tell nothing more', () => {
  const values = fc.array(fc.integer({ min: 60, max: 100 }), { minLength: 5, maxLength: 60 });
  fc.assert(
    fc.property(fc.constantFrom(...RULES), values, fc.boolean(), (rule, played, isBackwards) => {
      const timeline = new Timeline(rule);
      const readings = played.map((value, at) => ({ sensor: 'a', metric: 'temperature', value, ts: T0 + at * 1_000 }));
      for (const reading of readings) {
        timeline.runTo(reading.ts);
        timeline.take([reading]);
      }
      timeline.runTo(timeline.now + 5_000);
      const { length } = timeline.alerts;
      for (const reading of isBackwards ? [...readings].reverse() : readings) timeline.take([reading]);
      expect(timeline.alerts.length).toBe(length);
    }),
    { numRuns: 200 },
  );
});
