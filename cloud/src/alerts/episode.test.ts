import type { AlertState, AlertTransition, Severity } from '@weir/protocols';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { transition } from '../api/control.fixture.ts';
import { type Episode, type OperatorAction, type OperatorEntry, withTransition } from './episode.ts';
import { summaryOf } from './index-keys.ts';
import { act } from './operator.ts';

const T0 = 1_795_000_000_000;
const HUB = T0 + 3_600_000;

const step = (seq: number, state: AlertState, over: Partial<AlertTransition> = {}): AlertTransition =>
  transition({
    ...{ seq, state, reason: state === 'resolved' ? 'cleared' : 'threshold', ts: T0 + seq * 1_000, startedAt: T0 },
    ...over,
  });

type Step = AlertTransition | OperatorEntry;

/** What operators do at the same time of the hub, so that only their order is different. */
const did = (what: OperatorAction, over: Partial<OperatorEntry> = {}): OperatorEntry => ({
  ...{ id: `${what}-0001`, at: HUB, by: 'ana', what },
  ...(what === 'comment' && { comment: 'looking' }),
  ...(what === 'assign' && { assignee: 'bo' }),
  ...(what === 'shelve' && { until: HUB + 1_000 }),
  ...over,
});

function fold(steps: readonly Step[]): Episode | undefined {
  let episode: Episode | undefined;
  for (const each of steps) {
    if ('seq' in each) episode = withTransition(episode, each, 'edge', HUB) ?? episode;
    else if (episode !== undefined) {
      const acted = act(episode, each);
      if (acted.kind === 'done') episode = acted.episode;
    }
  }
  return episode;
}

/** What has an order of its own: what was done by hand, in the order in which it was. */
const withoutLog = ({ log, ...episode }: Episode) => ({
  ...episode,
  log: log.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
});

const ladder: AlertTransition[] = [
  step(1, 'pending', { severity: 'info' }),
  step(2, 'firing', { reason: 'held', value: 81, peak: 81, level: 80, unit: 'Cel' }),
  step(3, 'firing', { reason: 'severity', severity: 'critical', value: 95, peak: 95, level: 90 }),
  step(4, 'firing', { reason: 'corrected', severity: 'critical', startedAt: T0 - 60_000, peak: 95 }),
  step(5, 'no-data', { reason: 'no-data', severity: 'critical', startedAt: T0 - 60_000, peak: 95 }),
  step(6, 'firing', { reason: 'returned', severity: 'warning', startedAt: T0 - 60_000, peak: 95, latch: true }),
  step(7, 'recovering', { reason: 'threshold', startedAt: T0 - 60_000, peak: 95 }),
  step(8, 'resolved', { startedAt: T0 - 60_000, peak: 95, value: 70 }),
];

describe('an episode is the same in whatever order its transitions come, and however often', () => {
  test('with what operators did, where that commutes', () => {
    // An end by hand, or an acknowledgement that is taken back, is another thing before than after the end.
    const actions = (['ack', 'assign', 'comment', 'unshelve'] as const).map((what) => did(what));
    const whole = fold([...ladder, ...actions])!;
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...ladder, ...ladder], { minLength: 2 * ladder.length }),
        fc.shuffledSubarray([...actions, ...actions], { minLength: 2 * actions.length }),
        fc.array(fc.nat(), { minLength: 2 * actions.length, maxLength: 2 * actions.length }),
        (transitions, acts, places) => {
          const steps: Step[] = [...transitions];
          // Nobody can do anything with what the hub has not heard of.
          for (const [at, each] of acts.entries()) steps.splice(1 + (places[at]! % steps.length), 0, each);
          expect(withoutLog(fold(steps)!)).toEqual(withoutLog(whole));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('also of hundreds, of which only some are kept', () => {
    const severities: Severity[] = ['info', 'warning', 'critical'];
    const many = Array.from({ length: 120 }, (_, at) =>
      step(at + 1, at === 119 ? 'resolved' : at < 3 ? 'pending' : 'firing', {
        severity: severities[at % 3]!,
        peak: Math.min(at, 50),
        description: 'x'.repeat((at * 37) % 900),
      }),
    );
    const whole = fold(many)!;
    expect(whole.transitions.length).toBeLessThanOrEqual(50);
    fc.assert(
      fc.property(fc.shuffledSubarray(many, { minLength: many.length }), (order) => {
        const { transitions, trimmedTo, peakAt, ...episode } = fold(order)!;
        const { transitions: its, trimmedTo: to, peakAt: peaked, ...expected } = whole;
        expect([episode, transitions.map(({ seq }) => seq), trimmedTo]).toEqual([
          expected,
          its.map(({ seq }) => seq),
          to,
        ]);
      }),
      { numRuns: 30 },
    );
  });
});

test('texts, labels and causes as long as they may be stay within what one item may have', () => {
  const long: Partial<AlertTransition> = {
    summary: '€'.repeat(500),
    description: '€'.repeat(1_000),
    runbook: '€'.repeat(500),
    labels: Object.fromEntries(Array.from({ length: 16 }, (_, at) => [`label_${at}`, '€'.repeat(128)])),
    causes: Array(10).fill({ device: 'd'.repeat(128), sensor: 's', metric: 'm', ts: T0, value: '€'.repeat(256) }),
  };
  const steps: Step[] = [step(1, 'pending', long), step(2, 'firing', long)];
  for (let seq = 3; seq < 80; seq++) steps.push(step(seq, 'firing', long));
  for (let at = 0; at < 120; at++) steps.push(did('comment', { id: `comment${at}`, comment: '€'.repeat(1_000) }));
  steps.push(step(80, 'resolved', long));
  const episode = fold(steps)!;
  expect(Buffer.byteLength(JSON.stringify(episode))).toBeLessThan(400_000);
  expect(episode).toMatchObject({ state: 'resolved', comments: 120, firedAt: T0 + 2_000 });
  expect(episode.transitions.map(({ seq }) => seq).slice(0, 2)).toEqual([1, 2]);
});

describe('what it is', () => {
  const summary = (...steps: Step[]) => summaryOf(fold(steps)!);

  test('goes up and down the ladder, and remembers how bad it was, and when', () => {
    const { severity, severityMax, peak, peakAt } = summary(...ladder.slice(0, 6));
    expect([severity, severityMax, peak, peakAt]).toEqual(['warning', 'critical', 95, T0 + 3_000]);
  });

  test('the peak was when the reading was that is named as its cause', () => {
    const causes = [{ sensor: 'oven1', metric: 'temperature', ts: T0 + 2_500, value: 95 }];
    expect(summary(step(1, 'firing', { peak: 95, causes }))).toMatchObject({ peak: 95, peakAt: T0 + 2_500 });
  });

  test('began earlier than was told, once readings that came late say so', () => {
    expect(summary(...ladder.slice(0, 3)).startedAt).toBe(T0);
    expect(summary(...ladder.slice(0, 4)).startedAt).toBe(T0 - 60_000);
  });

  test('semantics 4, late data: one that is over before anybody looked is historical, in all its states', () => {
    const past = { historical: true } as const;
    expect(summary(step(1, 'firing', past), step(2, 'resolved', past))).toMatchObject({ historical: true });
  });

  test('pain 6, lagging data: one whose device was away until long after its end is historical, in whatever order it comes', () => {
    expect(summary(step(1, 'firing'), step(2, 'resolved')).historical).toBe(true);
    expect(summary(step(2, 'resolved'), step(1, 'firing')).historical).toBe(true);
    expect(summary(step(1, 'firing'), step(2, 'resolved', { ts: HUB - 1_000 })).historical).toBeUndefined();
    expect(summary(step(1, 'firing'), step(2, 'resolved', { quality: 'clock' })).historical).toBeUndefined();
  });

  test('level, unit, labels and version are those of what spoke last', () => {
    const source = { kind: 'rule', name: 'oven-hot', version: '2' } as const;
    const last = step(2, 'firing', { source, level: 90, unit: 'Cel', labels: { site: 'b' }, count: 7 });
    expect(summary(step(1, 'firing', { level: 80, labels: { site: 'a' } }), last)).toMatchObject({
      ...{ source, level: 90, unit: 'Cel', labels: { site: 'b' }, count: 7 },
    });
  });
});

describe('one that latches', () => {
  const latch = { latch: true } as const;
  const begun = step(1, 'firing', latch);
  const over = step(2, 'resolved', latch);

  test('fires after its condition is over, until somebody has acknowledged it', () => {
    expect(fold([begun, over])).toMatchObject({ state: 'firing', reason: 'cleared', clearedAt: over.ts });
    expect(fold([begun, over])!.resolvedAt).toBeUndefined();
    expect(fold([begun, over, did('ack')])).toMatchObject({
      ...{ state: 'resolved', reason: 'acknowledged', resolvedAt: HUB, clearedAt: over.ts },
    });
  });

  test('ends by itself when it was acknowledged while its condition held', () => {
    const later = { ...over, ts: HUB + 5 };
    const ended = { state: 'resolved', reason: 'cleared', resolvedAt: HUB + 5 };
    expect(fold([begun, did('ack'), later])).toMatchObject(ended);
    expect(fold([begun, did('ack')])).toMatchObject({ state: 'firing', ackedAt: HUB });
  });

  test('waits again when the acknowledgement was taken back before its end, and not after it', () => {
    const unack = did('unack');
    expect(fold([begun, did('ack'), unack, over])).toMatchObject({ state: 'firing', clearedAt: over.ts });
    const acked = fold([begun, over, did('ack')])!;
    expect(act(acked, unack)).toMatchObject({ kind: 'refused' });
  });
});

describe('one that somebody ended', () => {
  const end = did('end', { comment: 'sensor is broken' });

  test('is over with reason `manual`, whatever its device says later', () => {
    const ended = { state: 'resolved', reason: 'manual', resolvedAt: HUB };
    expect(fold([step(1, 'firing'), end])).toMatchObject({
      ...ended,
      endedManually: { at: HUB, by: 'ana', comment: 'sensor is broken' },
    });
    const more = [step(2, 'firing', { severity: 'critical' }), step(3, 'resolved')];
    expect(fold([step(1, 'firing'), end, ...more])).toMatchObject({ ...ended, severityMax: 'critical' });
  });

  test('cannot be ended or shelved again, and one that is over by itself cannot be ended', () => {
    expect(act(fold([step(1, 'firing'), end])!, did('end', { id: 'end-again' }))).toEqual({ kind: 'unchanged' });
    expect(act(fold([step(1, 'firing'), end])!, did('shelve'))).toMatchObject({ kind: 'refused' });
    expect(fold([step(1, 'firing'), step(2, 'resolved'), did('end')])).toMatchObject({ reason: 'cleared' });
  });
});

test('what was asked for twice under one id is done once, and what is so already is not done again', () => {
  const twice = fold([
    step(1, 'firing'),
    did('comment'),
    did('comment'),
    did('ack'),
    did('ack', { id: 'ack-0002', by: 'bo' }),
  ])!;
  expect(twice).toMatchObject({ comments: 1, ackedBy: 'ana' });
  expect(twice.log.map(({ id }) => id)).toEqual(['comment-0001', 'ack-0001']);
});

test('only the latest of what was done is kept, and how many comments there were', () => {
  const steps: Step[] = [step(1, 'firing')];
  for (let at = 0; at < 150; at++) steps.push(did('comment', { id: `comment${at}` }));
  const { log, comments } = fold(steps)!;
  expect([log.length, log.at(-1)!.id, comments]).toEqual([100, 'comment149', 150]);
});

test('assigned to nobody, and shelved no longer, leave nothing behind', () => {
  const before = fold([step(1, 'firing'), did('assign'), did('shelve')])!;
  expect(before).toMatchObject({ assignee: 'bo', shelvedUntil: HUB + 1_000, shelvedBy: 'ana' });
  const { assignee: _, ...nobody } = did('assign', { id: 'assign-0002' });
  const after = fold([step(1, 'firing'), did('assign'), did('shelve'), nobody, did('unshelve')])!;
  expect(after).not.toHaveProperty('assignee');
  expect(after).not.toHaveProperty('shelvedUntil');
});
