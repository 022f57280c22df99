/**
 * What always holds of what a channel is told, whatever happens: alerts, operators, policies, restarts, and hubs that are killed at any
 * write. README.md names the invariants.
 */
import type { Severity } from '@weir/protocols';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AlertMessage } from '../message.ts';
import type { ChannelPolicyInput } from './channel-policy.ts';
import { Bench, firing, over } from './plan.fixture.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const SUBJECTS = 4;

const CHANNELS: Record<string, ChannelPolicyInput> = {
  plain: {},
  tight: { rate: '3/10m' },
  grouped: { groupBy: ['device'], wait: '30s', interval: '5m', repeat: '2h', rate: '6/10m' },
  nightly: { quietHours: { zone: 'UTC', times: ['14:00-16:00'] }, repeat: '1h', rate: '20/1m' },
  summed: { quietHours: { zone: 'UTC', times: ['13:00-18:00'], digest: true }, rate: '5/10m' },
  severe: { minSeverity: 'critical', rate: '4/5m' },
};

const POLICIES = [
  '{}',
  'flapping: { changes: 3, within: 30m, calm: 20m }',
  'escalations: [{ steps: [{ after: 5m, channels: [severe] }, { after: 20m, channels: [plain, tight] }] }]',
  'mute: [{ name: m, match: ["device=d1"], times: { zone: UTC, times: ["12:30-13:30"] } }]',
  'inhibit: [{ name: i, source: ["device=d0"], target: ["device=d1"] }]\nroutes: [{ match: ["severity=info"], channels: [plain] }]',
];

type Action =
  | { do: 'fire' | 'end' | 'silence' | 'unsilence' | 'ack' | 'shelve'; of: number }
  | { do: 'rise'; of: number; to: Severity }
  | { do: 'late' | 'pass'; of: number; ms: number }
  | { do: 'policy' | 'channel' | 'away' | 'back'; of: number }
  | { do: 'restart' };

const of = fc.nat(SUBJECTS - 1);
const ms = fc.constantFrom(1, 1_000, 20_000, MINUTE, 7 * MINUTE, HOUR, 3 * HOUR);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('fire' as const, 'end' as const), of }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass' as const), of, ms }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('late' as const), of, ms }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('rise' as const), of, to: fc.constantFrom('info', 'warning', 'critical') }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('silence', 'unsilence', 'ack', 'shelve', 'policy', 'channel', 'away', 'back'),
      of,
    }) as fc.Arbitrary<Action>,
  },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
);

/** Acts, and knows what fires. */
class Actor {
  readonly bench = new Bench();
  readonly open = new Map<number, { episode: string; seq: number; severity: Severity; origin: 'edge' | 'cloud' }>();
  readonly ended: string[] = [];
  readonly #silences: string[] = [];
  #episodes = 0;

  async begin(): Promise<void> {
    for (const [name, policy] of Object.entries(CHANNELS)) await this.bench.channel(name, policy);
  }

  async act(each: Action): Promise<void> {
    const b = this.bench;
    switch (each.do) {
      case 'fire':
      case 'late':
        return this.#fire(each.of, each.do === 'late' ? each.ms : 0);
      case 'end':
        return this.#end(each.of);
      case 'rise':
        return this.#rise(each.of, each.to);
      case 'pass':
        return b.pass(each.ms);
      case 'silence': {
        const { id } = await b.silence(`device=d${each.of % 2}`, (each.of + 1) * HOUR);
        this.#silences.push(id);
        return;
      }
      case 'unsilence': {
        const id = this.#silences.pop();
        if (id !== undefined) await b.planning.endSilence(id, 'ann');
        await b.plan();
        return;
      }
      case 'ack':
      case 'shelve': {
        const alert = this.open.get(each.of);
        if (alert !== undefined) await b.operator(alert.episode, each.do, b.now + HOUR);
        return;
      }
      case 'policy':
        return b.policy(POLICIES[each.of % POLICIES.length]!);
      case 'channel':
        return b.channel('plain', each.of % 2 === 0 ? {} : { groupBy: ['...'], wait: '1m', match: ['device=d1'] });
      case 'away':
      case 'back':
        return b.presence(`d${each.of % 2}`, each.do === 'away');
      case 'restart':
        b.restart();
    }
  }

  #of(subject: number) {
    return { device: `d${subject % 2}`, sensor: `s${subject}` };
  }

  async #fire(subject: number, lateMs: number): Promise<void> {
    if (this.open.has(subject)) return;
    const episode = `e${String(this.#episodes++).padStart(4, '0')}`;
    const alert = {
      episode,
      seq: 1,
      severity: 'warning' as Severity,
      origin: subject === 3 ? ('cloud' as const) : ('edge' as const),
    };
    this.open.set(subject, alert);
    await this.bench.tell([firing(episode, this.bench.now - lateMs, this.#of(subject))], alert.origin);
  }

  async #rise(subject: number, severity: Severity): Promise<void> {
    const alert = this.open.get(subject);
    if (alert === undefined || alert.severity === severity) return;
    Object.assign(alert, { severity, seq: alert.seq + 1 });
    const { episode, seq, origin } = alert;
    await this.bench.tell(
      [firing(episode, this.bench.now, { ...this.#of(subject), severity, seq, reason: 'severity' })],
      origin,
    );
  }

  async #end(subject: number): Promise<void> {
    const alert = this.open.get(subject);
    if (alert === undefined) return;
    this.open.delete(subject);
    const { episode, severity, origin } = alert;
    this.ended.push(episode);
    await this.bench.tell(
      [over(episode, this.bench.now, { ...this.#of(subject), severity, seq: alert.seq + 1 })],
      origin,
    );
  }

  /** Everything ends, and all that waits has its time. */
  async finish(): Promise<void> {
    for (const subject of [...this.open.keys()]) await this.#end(subject);
    for (let day = 0; day < 3; day++) await this.bench.pass(24 * HOUR);
  }
}

function check(messages: readonly AlertMessage[], policy: ChannelPolicyInput, name: string): void {
  const ids = messages.map(({ id }) => id);
  expect(ids, `${name}: no message twice`).toEqual([...new Set(ids)]);
  const [count = 60, per = '1m'] = (policy.rate ?? '60/1m').split('/');
  const perMs = Number.parseInt(per, 10) * MINUTE;
  for (const [at, { createdAt }] of messages.entries()) {
    const before = messages[at - Number(count)];
    if (before !== undefined)
      expect(createdAt - before.createdAt, `${name}: over its rate`).toBeGreaterThanOrEqual(perMs);
  }
  const told = new Map<string, 'firing' | 'over'>();
  for (const { id, kind, alerts, leftOut } of messages) {
    expect(leftOut, 'nothing is left out here, so that all can be looked at').toBe(0);
    for (const { episode, status } of alerts) {
      const before = told.get(episode);
      expect(before, `${name}: ${id} tells of ${episode} after its end`).not.toBe('over');
      if (status === 'firing') told.set(episode, 'firing');
      else {
        if (kind !== 'digest') expect(before, `${name}: ${id} ends ${episode}, which was not told`).toBe('firing');
        told.set(episode, 'over');
      }
    }
  }
  const left = [...told].filter(([, state]) => state === 'firing').map(([episode]) => episode);
  expect(left, `${name}: told to fire and never to end`).toEqual([]);
}

async function runOf(
  actions: readonly Action[],
  kill: (write: number) => 'before' | 'after' | undefined = () => undefined,
) {
  const actor = new Actor();
  await actor.begin();
  actor.bench.killedAt = kill;
  for (const each of actions) await actor.act(each);
  await actor.finish();
  for (const [name, policy] of Object.entries(CHANNELS)) check(await actor.bench.messages(name), policy, name);
  const { items } = await actor.bench.store.query({ table: 'plan', partition: 'alert' });
  expect(
    items.map(({ sort }) => sort),
    'what is over is done with',
  ).toEqual([]);
  return actor;
}

const RUNS = 60;

test('told-then-ended, once, within-the-rate: whatever alerts, operators, policies and restarts come to', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 40 }), async (actions) => void (await runOf(actions))),
    { numRuns: RUNS },
  );
}, 120_000);

test('a hub killed at any write, before it is durable or after, loses no notification and sends none twice', async () => {
  const kills = fc.array(fc.tuple(fc.nat(80), fc.constantFrom('before' as const, 'after' as const)), {
    minLength: 1,
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 25 }), kills, async (actions, at) => {
      const when = new Map(at);
      await runOf(actions, (write) => when.get(write));
    }),
    { numRuns: RUNS },
  );
}, 120_000);

test('a hub killed at each of its writes tells just what one does that is not', async () => {
  const story: Action[] = [
    ...[0, 1, 2, 3].map((each): Action => ({ do: 'fire', of: each })),
    { do: 'silence', of: 1 },
    { do: 'rise', of: 0, to: 'critical' },
    { do: 'pass', of: 0, ms: HOUR },
    { do: 'end', of: 1 },
    { do: 'unsilence', of: 0 },
    { do: 'pass', of: 0, ms: HOUR },
    { do: 'end', of: 0 },
  ];
  const plain = await runOf(story);
  const expected = await plain.bench.lines('plain');
  const { writes } = plain.bench;
  expect(writes).toBeGreaterThan(20);
  for (let write = 0; write < writes; write++) {
    for (const kill of ['before', 'after'] as const) {
      const killed = await runOf(story, (at) => (at === write ? kill : undefined));
      expect(await killed.bench.lines('plain'), `killed ${kill} write ${write}`).toEqual(expected);
    }
  }
}, 120_000);

test('F3 pain 8, repeat spam: input that flaps as fast as it can never exceeds the rate, and its last end is told', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(SUBJECTS - 1), fc.integer({ min: 1, max: 5_000 })), { minLength: 50, maxLength: 150 }),
      async (changes) => {
        const actor = new Actor();
        await actor.begin();
        await actor.bench.policy(POLICIES[1]!);
        for (const [subject, everyMs] of changes) {
          await actor.act({ do: actor.open.has(subject) ? 'end' : 'fire', of: subject });
          await actor.bench.pass(everyMs);
        }
        await actor.finish();
        for (const [name, policy] of Object.entries(CHANNELS)) check(await actor.bench.messages(name), policy, name);
      },
    ),
    { numRuns: 15 },
  );
}, 120_000);
