import type { AlertTransition } from '@weir/protocols';
import { describe, expect, test } from 'vitest';
import type { Era } from '../clock/agent-clock.ts';
import { alertOf, openInMemory, stepOf } from '../spool/spool.fixture.ts';
import { type NoticeChannel, topicFault, topicFor } from './notices.ts';

const AT = 1_700_000_000_000;
const LAN: NoticeChannel = {
  name: 'lan',
  kind: 'webhook',
  url: 'http://192.168.1.2/',
  headers: {},
  minSeverity: 'info',
};
const LOCAL: NoticeChannel = { name: 'local', kind: 'mqtt', topic: 'alerts/{rule}/{sensor}', minSeverity: 'warning' };

function opened(options: { channels?: NoticeChannel[]; waitingMax?: number; topicsMax?: number } = {}) {
  const ops = openInMemory({ notices: { channels: [LAN, LOCAL], waitingMax: 100, topicsMax: 10, ...options } });
  let number = 0;
  return {
    ops,
    step: (...alerts: AlertTransition[]) => ops.commitStep(stepOf(++number, { alerts, now: AT })),
    told: (channel: string, now = AT) =>
      ops
        .notices(channel, now, 100)
        .notices.map(({ transition: { episode, seq, state } }) => `${episode} ${seq} ${state}`),
    /** Tells all that may be told, in order. */
    tellAll(channel: string, now = AT): string[] {
      const all: string[] = [];
      for (;;) {
        const { notices } = ops.notices(channel, now, 100);
        if (notices.length === 0) return all;
        for (const { id, transition } of notices) {
          all.push(`${transition.episode} ${transition.seq} ${transition.state} ${transition.severity}`);
          ops.noticesDone([id], now);
        }
      }
    },
  };
}

const firing = (over: Partial<AlertTransition> = {}): AlertTransition => ({ ...alertOf(1), sensor: 'oven1', ...over });
const over = (more: Partial<AlertTransition> = {}): AlertTransition =>
  firing({ seq: 9, state: 'resolved', reason: 'cleared', ...more });

describe('what is told', () => {
  test.each<[string, AlertTransition[], string[]]>([
    ['a firing and its end', [firing(), over()], ['episode0001 1 firing warning', 'episode0001 9 resolved warning']],
    [
      'another severity, once',
      [firing(), firing({ seq: 2, severity: 'critical' }), firing({ seq: 3, severity: 'critical' })],
      ['episode0001 1 firing warning', 'episode0001 2 firing critical'],
    ],
    [
      'not what is pending, recovering or away',
      [firing({ state: 'pending' }), firing({ seq: 2, state: 'no-data' })],
      [],
    ],
    ['no end of what never fired', [firing({ state: 'pending' }), over()], []],
    ['nothing of a dry run', [firing({ dryRun: true }), over({ dryRun: true })], []],
    ['nothing of what was over before anybody looked', [firing({ historical: true }), over({ historical: true })], []],
    [
      'the end, though it is told by a lesser severity',
      [firing({ severity: 'critical' }), over({ severity: 'info' })],
      ['episode0001 1 firing critical', 'episode0001 9 resolved info'],
    ],
  ])('%s', (_what, alerts, expected) => {
    const spool = opened();
    for (const alert of alerts) spool.step(alert);
    expect(spool.tellAll('lan')).toEqual(expected);
  });

  test('what is below the severity of a channel is not told there, nor its end; once it rises it is', () => {
    const spool = opened();
    spool.step(firing({ severity: 'info' }), over({ severity: 'info' }));
    spool.step(firing({ episode: 'episode0002', severity: 'info' }));
    spool.step(firing({ episode: 'episode0002', seq: 2, severity: 'critical' }), over({ episode: 'episode0002' }));
    expect(spool.tellAll('local')).toEqual(['episode0002 2 firing critical', 'episode0002 9 resolved warning']);
  });

  test('semantics 2, suppression stops notifications only: in a time of maintenance nobody is told, what still fires at its end is, and what is over by then is not', () => {
    const spool = opened();
    const mutedUntil = AT + 60_000;
    spool.step(firing({ mutedUntil }), firing({ episode: 'episode0002', mutedUntil }));
    spool.step(over());
    expect(spool.told('lan')).toEqual([]);
    expect(spool.ops.notices('lan', AT, 100).nextAt).toBe(mutedUntil);
    expect(spool.tellAll('lan', mutedUntil)).toEqual(['episode0002 1 firing warning']);
    expect(spool.ops.noticeTopics().map(({ topic }) => topic)).toEqual([]);
  });
});

test('of an episode the end waits for the firing, and other episodes do not', () => {
  const spool = opened();
  spool.step(firing(), over(), firing({ episode: 'episode0002' }));
  expect(spool.told('lan')).toEqual(['episode0001 1 firing', 'episode0002 1 firing']);
});

test('semantics 2, suppression: however many wait for the end of a maintenance, what is not muted is told at once', () => {
  const { ops, step } = opened();
  for (let n = 0; n < 30; n++) step(firing({ episode: `muted${n}00000`, mutedUntil: AT + 60_000 }));
  step(firing({ severity: 'critical' }));
  const { notices, nextAt } = ops.notices('lan', AT, 20);
  expect(notices.map(({ transition }) => transition.episode)).toEqual(['episode0001']);
  expect(nextAt).toBe(AT + 60_000);
});

test('semantics 2, suppression: the end of what was told before a maintenance is told, also where it has risen within it', () => {
  const { step, tellAll } = opened();
  step(firing());
  expect(tellAll('lan')).toEqual(['episode0001 1 firing warning']);
  step(firing({ seq: 2, severity: 'critical', mutedUntil: AT + 60_000 }));
  expect(tellAll('lan')).toEqual([]);
  step(over());
  expect(tellAll('lan')).toEqual(['episode0001 9 resolved warning']);
});

test('semantics 2, suppression: a firing that is told although an earlier one was muted is told as over, too', () => {
  const { step, tellAll } = opened();
  step(firing({ mutedUntil: AT + 60_000 }), firing({ seq: 2, severity: 'critical' }), over());
  expect(tellAll('lan')).toEqual(['episode0001 2 firing critical', 'episode0001 9 resolved warning']);
});

test('of more than a channel may keep the oldest go, and are counted', () => {
  const spool = opened({ channels: [LAN], waitingMax: 3 });
  for (let n = 0; n < 5; n++) spool.step(firing({ episode: `episode000${n}` }));
  expect(spool.told('lan')).toEqual(['episode0002 1 firing', 'episode0003 1 firing', 'episode0004 1 firing']);
  expect(spool.ops.noticeCounts()).toEqual({ waiting: { lan: 3 }, dropped: 2 });
});

test('a topic says what was told last, of so many topics at most: what is over goes first', () => {
  const spool = opened({ topicsMax: 2 });
  for (const [n, alert] of [
    firing(),
    over(),
    firing({ episode: 'episode0002', sensor: 'oven2' }),
    firing({ episode: 'episode0003', sensor: 'oven3' }),
  ].entries()) {
    spool.step(alert);
    spool.tellAll('local', AT + n);
  }
  const states = spool.ops.noticeTopics().map(({ topic, payload }) => [topic, JSON.parse(payload).status]);
  expect(states).toEqual([
    ['alerts/hot/oven2', 'firing'],
    ['alerts/hot/oven3', 'firing'],
  ]);
});

test('what was kept before it was known what time it is moves with the time, and is not given up for it', () => {
  const spool = opened();
  spool.step(firing());
  const before: Era = { id: 1, boot: 'boot1', certainty: 'unsynchronised', offset: 0, fromAt: AT };
  const known = { boot: 'boot1', certainty: 'synchronised', source: 'hub', unknownSince: undefined } as const;
  const kept = { ...known, offset: 86_400_000, at: AT + 86_400_000 };
  const moved = { boot: 'boot1', offset: 86_400_000, known: true, shift: 86_400_000, from: AT, now: AT + 86_400_000 };
  spool.ops.commitStep(stepOf(2, { learned: { ...moved, before, kept } }));
  expect(spool.ops.notices('lan', AT + 86_400_000, 10).notices).toMatchObject([{ createdAt: AT + 86_400_000 }]);
});

test('the gaps of a topic are one level each', () => {
  const transition = firing({ device: 'hall/#fn', metric: 'a' });
  expect(topicFor('alerts/{device}/{rule}/{metric}', transition)).toBe('alerts/hall__fn/hot/a');
  const { sensor: _, ...none } = transition;
  expect(topicFor('alerts/{sensor}', none)).toBe('alerts/-');
});

test.each([
  ['alerts/#', '# and +'],
  ['$SYS/x', '$'],
  ['alerts/{colour}', '{colour}'],
])('%s is no topic', (topic, why) => {
  expect(topicFault(topic)).toContain(why);
});
