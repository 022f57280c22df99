/** What is told at once, what holds it back, and to whom it goes. */
import { describe, expect, test } from 'vitest';
import { bench, firing, over, START } from './plan.fixture.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

test('with nothing configured each transition is one message at once, under its own key', async () => {
  const b = await bench();
  await b.tell([firing('e1', b.now), firing('e2', b.now, { severity: 'info' })]);
  await b.tell([firing('e1', b.now, { seq: 2, severity: 'critical', reason: 'severity' })]);
  await b.tell([over('e1', b.now, { seq: 3, severity: 'critical' })]);
  const messages = await b.messages('a');
  expect(messages.map(({ id, why }) => `${id} ${why}`)).toEqual([
    ...['e1-1 new', 'e2-1 new', 'e1-2 severity', 'e1-3 resolved'],
  ]);
  expect(new Set(messages.map(({ createdAt }) => createdAt))).toEqual(new Set([START]));
});

test('semantics 1, episode and not message: the same transition a second time is told nobody', async () => {
  const b = await bench();
  await b.tell([firing('e1', b.now), firing('e1', b.now)]);
  b.restart();
  await b.tell([firing('e1', b.now)]);
  await b.tell([over('e1', b.now), over('e1', b.now)]);
  b.restart();
  await b.tell([over('e1', b.now)]);
  expect(await b.lines('a')).toEqual(['new: e1', 'resolved: e1 over']);
});

describe('semantics 2, suppression stops notifications only', () => {
  test.each(['silence', 'mute', 'inhibition', 'quiet hours', 'shelving', 'device away', 'another policy'])(
    'F3 pain 1, fired but never resolved: what was told to fire is told to end, at once, during %s',
    async (what) => {
      const b = await bench([
        'a',
        what === 'quiet hours' ? { quietHours: { zone: 'UTC', times: ['13:00-14:00'] } } : {},
      ]);
      const origin = what === 'device away' ? 'cloud' : 'edge';
      await b.tell([firing('e1', b.now)], origin);
      await b.pass(30 * MINUTE);
      if (what === 'silence') await b.silence('device=gw1', 2 * HOUR);
      if (what === 'mute') await b.policy('mute: [{ name: m, times: { zone: UTC, times: ["12:00-14:00"] } }]');
      if (what === 'inhibition') {
        await b.policy('inhibit: [{ name: i, source: ["alertname=power"], target: ["alertname!=power"] }]');
        await b.tell([firing('e0', b.now, { source: { kind: 'rule', name: 'power', version: '1' } })]);
      }
      if (what === 'shelving') await b.operator('e1', 'shelve', b.now + 2 * HOUR);
      if (what === 'device away') await b.presence('gw1', true);
      if (what === 'another policy') await b.channel('a', { match: ['device=none'], minSeverity: 'critical' });
      await b.pass(40 * MINUTE);
      await b.tell([over('e1', b.now)], origin);
      const ends = (await b.messages('a')).filter(({ status }) => status === 'resolved');
      expect(ends.map(({ id, createdAt }) => [id, createdAt])).toEqual([['e1-2', b.now]]);
      await b.pass(5 * HOUR);
      expect((await b.messages('a')).filter(({ episodes }) => episodes.includes('e1'))).toHaveLength(2);
    },
  );

  test('what is silenced is told when the silence ends, if it still fires then, and never if it does not', async () => {
    const b = await bench();
    const { id } = await b.silence('alertname=~"oven.*"', HOUR);
    await b.tell([firing('e1', b.now), firing('e2', b.now)]);
    await b.pass(10 * MINUTE);
    await b.tell([over('e2', b.now)]);
    expect(await b.lines('a')).toEqual([]);
    await b.planning.endSilence(id.slice(0, 8) === id ? id : id, 'ann');
    await b.plan();
    expect(await b.lines('a')).toEqual(['new: e1']);
    await b.silence('device=gw1', HOUR);
    await b.tell([firing('e3', b.now)]);
    await b.pass(HOUR);
    expect(await b.lines('a')).toEqual(['new: e1', 'new: e3']);
    const log = await b.planning.log('e2');
    expect(log.map(({ what, why, channel }) => [channel, what, why])).toEqual([
      ['a', 'held', 'silence'],
      ['a', 'never-told', 'silence'],
    ]);
  });

  test('a silence of the future begins when it says', async () => {
    const b = await bench();
    await b.silence('device=gw1', HOUR, b.now + HOUR);
    await b.tell([firing('e1', b.now)]);
    await b.pass(HOUR + 1);
    await b.tell([firing('e2', b.now)]);
    expect(await b.lines('a')).toEqual(['new: e1']);
    await b.pass(HOUR);
    expect(await b.lines('a')).toEqual(['new: e1', 'new: e2']);
  });

  test('a suppressed time never uses up the escalation: its clock stands still, also over a restart', async () => {
    const b = await bench(['a'], ['b', { match: ['device=none'] }], ['c', { match: ['device=none'] }]);
    await b.policy('escalations: [{ steps: [{ after: 5m, channels: [b] }, { after: 15m, channels: [c] }] }]');
    await b.tell([firing('e1', b.now)]);
    await b.pass(3 * MINUTE);
    const { id } = await b.silence('device=gw1', 10 * HOUR);
    await b.pass(HOUR);
    b.restart();
    await b.pass(HOUR);
    await b.planning.endSilence(id, 'ann');
    await b.pass(2 * MINUTE - 1);
    expect(await b.lines('b')).toEqual([]);
    await b.pass(1);
    expect(await b.lines('b')).toEqual(['escalation: e1']);
    await b.pass(10 * MINUTE);
    expect(await b.lines('c')).toEqual(['escalation: e1']);
    await b.tell([over('e1', b.now)]);
    for (const name of ['a', 'b', 'c']) expect((await b.lines(name)).at(-1)).toBe('resolved: e1 over');
  });

  test('the clock of an escalation also stands still in a recurring mute time that begins with nothing happening', async () => {
    const b = await bench(['a'], ['b', { match: ['device=none'] }]);
    await b.policy(`
escalations: [{ steps: [{ after: 30m, channels: [b] }] }]
mute: [{ name: lunch, times: { zone: UTC, times: ["12:10-13:10"] } }]`);
    await b.tell([firing('e1', b.now)]);
    await b.pass(89 * MINUTE);
    expect(await b.lines('b')).toEqual([]);
    await b.pass(MINUTE);
    expect(await b.lines('b')).toEqual(['escalation: e1']);
  });
});

test('an acknowledgement stops the escalation and the reminders, until it becomes worse', async () => {
  const b = await bench(['a', { repeat: '10m' }], ['b', { match: ['device=none'] }]);
  await b.policy('escalations: [{ steps: [{ after: 25m, channels: [b] }] }]');
  await b.tell([firing('e1', b.now)]);
  await b.pass(20 * MINUTE);
  expect(await b.lines('a')).toEqual(['new: e1', 'repeat: e1', 'repeat: e1']);
  await b.operator('e1', 'ack');
  await b.pass(5 * HOUR);
  expect([await b.lines('b'), (await b.lines('a')).length]).toEqual([[], 3]);
  await b.tell([firing('e1', b.now, { seq: 2, severity: 'critical' })]);
  expect((await b.lines('a')).at(-1)).toBe('severity: e1');
  await b.pass(5 * MINUTE);
  expect(await b.lines('b')).toEqual(['escalation: e1']);
});

test('a reminder has a key of its own, and comes no more than once for its time, whatever restarts', async () => {
  const b = await bench(['a', { repeat: '1h' }]);
  await b.tell([firing('e1', b.now)]);
  for (let n = 0; n < 6; n++) {
    await b.pass(30 * MINUTE);
    b.restart();
  }
  expect((await b.messages('a')).map(({ id }) => id)).toEqual(['e1-1', 'e1-1-r1', 'e1-1-r2', 'e1-1-r3']);
});

describe('inhibition', () => {
  test('F3 pain 5, no-data noise: rules of the hub on a device that is away are quiet, and told when it is back and they still fire', async () => {
    const b = await bench();
    await b.presence('gw1', true);
    await b.tell([firing('e1', b.now), firing('e2', b.now, { device: 'gw2' })], 'cloud');
    await b.tell([firing('e3', b.now, { source: { kind: 'rule', name: 'weir.connectivity', version: '1' } })], 'cloud');
    expect(await b.lines('a')).toEqual(['new: e2', 'new: e3']);
    await b.presence('gw1', false);
    expect((await b.lines('a')).at(-1)).toBe('new: e1');
  });

  test('a more severe alert of the same rule and subject says it for the less severe one', async () => {
    const b = await bench();
    await b.tell([firing('e1', b.now, { severity: 'critical', sensor: 's' })]);
    await b.tell([firing('e2', b.now, { severity: 'warning', sensor: 's' }), firing('e3', b.now, { sensor: 't' })]);
    expect(await b.lines('a')).toEqual(['new: e1', 'new: e3']);
    await b.tell([over('e1', b.now, { severity: 'critical', sensor: 's' })]);
    expect((await b.lines('a')).slice(2)).toEqual(['resolved: e1 over', 'new: e2']);
  });

  test('one of the policy goes by the labels that both have alike', async () => {
    const b = await bench();
    b.facts.set('gw1', { groups: [], tags: { hall: '1' } });
    b.facts.set('gw2', { groups: [], tags: { hall: '2' } });
    await b.policy(
      'inhibit: [{ name: power, source: ["alertname=power"], target: ["alertname!=power"], equal: [tag_hall] }]',
    );
    await b.tell([firing('e0', b.now, { source: { kind: 'rule', name: 'power', version: '1' } })]);
    await b.tell([firing('e1', b.now), firing('e2', b.now, { device: 'gw2' })]);
    expect(await b.lines('a')).toEqual(['new: e0', 'new: e2']);
    expect((await b.planning.log('e1'))[0]).toMatchObject({ what: 'held', why: 'inhibition', detail: 'power: e0' });
  });
});

describe('quiet hours', () => {
  const NIGHT = { zone: 'Europe/Oslo', times: ['22:00-06:00'] };

  test('what is below critical waits until they end and is told if it still fires; what is critical is told at once', async () => {
    const b = await bench(['a', { quietHours: NIGHT }]);
    await b.pass(10 * HOUR);
    await b.tell([firing('e1', b.now), firing('e2', b.now), firing('e3', b.now, { severity: 'critical' })]);
    await b.tell([over('e2', b.now)]);
    expect(await b.lines('a')).toEqual(['new: e3']);
    await b.tell([firing('e1', b.now, { seq: 2, severity: 'info' })]);
    await b.pass(6 * HOUR);
    expect(await b.lines('a')).toEqual(['new: e3']);
    // Six in the morning in Oslo is five by UTC.
    await b.pass(HOUR);
    expect(await b.lines('a')).toEqual(['new: e3', 'new: e1']);
    expect(new Date((await b.messages('a'))[1]!.createdAt).toISOString()).toBe('2026-11-03T05:00:00.000Z');
  });

  test('with a digest one message tells of the whole night, also of what is over', async () => {
    const b = await bench(['a', { quietHours: { ...NIGHT, digest: true } }]);
    await b.pass(10 * HOUR);
    await b.tell([firing('e1', b.now), firing('e2', b.now), firing('e4', b.now)]);
    await b.tell([over('e2', b.now)]);
    await b.tell([firing('e4', b.now, { seq: 2, severity: 'critical' })]);
    expect(await b.lines('a')).toEqual(['new: e4']);
    await b.pass(8 * HOUR);
    expect((await b.lines('a')).slice(1)).toEqual(['digest: e1, e2 over']);
    expect((await b.messages('a'))[1]!.counts).toEqual({ firing: 1, resolved: 1 });
    await b.tell([over('e1', b.now), over('e4', b.now, { seq: 3 })]);
    expect((await b.lines('a')).slice(2)).toEqual(['resolved: e1 over', 'resolved: e4 over']);
  });
});

test('maintenance of the rule: told when it is over, if it still fires', async () => {
  const b = await bench();
  await b.tell([firing('e1', b.now, { mutedUntil: b.now + HOUR }), firing('e2', b.now, { mutedUntil: b.now + HOUR })]);
  await b.tell([over('e2', b.now)]);
  await b.pass(2 * HOUR);
  expect(await b.lines('a')).toEqual(['new: e1']);
});

describe('routes', () => {
  test('the first that matches says where, and what no route takes goes to the default; nothing named: to all', async () => {
    const b = await bench(['a'], ['b'], ['c']);
    await b.policy(`
routes:
  - { match: ['severity=critical'], channels: [a], continue: true }
  - { match: ['device=gw1'], channels: [b] }
default: [c]`);
    await b.tell([firing('e1', b.now, { severity: 'critical' }), firing('e2', b.now, { device: 'gw9' })]);
    expect(await Promise.all(['a', 'b', 'c'].map((name) => b.lines(name)))).toEqual([
      ['new: e1'],
      ['new: e1'],
      ['new: e2'],
    ]);
  });

  test('a channel takes its least severity and what it matches, and an alert that rises to it', async () => {
    const b = await bench(['a', { minSeverity: 'critical' }], ['b', { match: ['device=gw2', 'sensor=~"s-e[1]"'] }]);
    await b.tell([firing('e1', b.now), firing('e2', b.now)]);
    expect([await b.lines('a'), await b.lines('b')]).toEqual([[], ['new: e1']]);
    await b.tell([firing('e2', b.now, { seq: 2, severity: 'critical' })]);
    await b.tell([over('e2', b.now, { seq: 3, severity: 'critical' })]);
    expect(await b.lines('a')).toEqual(['new: e2', 'resolved: e2 over']);
    expect((await b.planning.log('e2')).map(({ channel, what, why }) => `${channel} ${what} ${why}`)).toEqual([
      ...['a not-routed severity', 'b not-routed match', 'a told new', 'a told resolved'],
    ]);
  });

  test('a channel is told what began while it was there, and nothing more once it is gone', async () => {
    const b = await bench(['a']);
    await b.tell([firing('e1', b.now)]);
    await b.channel('b');
    await b.removeChannel('a');
    await b.tell([over('e1', b.now), firing('e2', b.now)]);
    expect([await b.lines('a'), await b.lines('b')]).toEqual([['new: e1'], ['new: e2']]);
  });

  test('a policy to be tried says which channels, and why not', async () => {
    const b = await bench(
      ['a', { minSeverity: 'critical' }],
      ['b'],
      ['c', { quietHours: { zone: 'UTC', times: ['00:00-24:00'] } }],
      ['d'],
    );
    await b.silence('sensor=quiet', HOUR);
    const text = 'routes: [{ channels: [a, b, c] }]';
    const shown = await b.planning.try({ device: 'gw1' }, text);
    expect(shown.map(({ channel, told }) => [channel, told])).toEqual([
      ['a', false],
      ['b', true],
      ['c', false],
      ['d', false],
    ]);
    expect(shown.map(({ why }) => why)).toEqual([
      'the channel takes critical and above',
      'at once',
      expect.stringContaining('quiet-hours'),
      expect.stringContaining('other channels'),
    ]);
    expect((await b.planning.try({ sensor: 'quiet' }))[1]).toMatchObject({
      told: false,
      why: expect.stringContaining('silence'),
    });
  });
});

test('F3 pain 14, time zones: a mute time is one of the wall, on days on which clocks are set, too', async () => {
  const b = await bench();
  await b.policy('mute: [{ name: m, times: { zone: Europe/Oslo, times: ["02:30-04:00"] } }]');
  // The night of the 28th of March 2027: there is no 02:30 in Oslo, and 04:00 is 02:00 by UTC.
  b.now = Date.UTC(2027, 2, 28, 0, 59);
  await b.tell([firing('e1', b.now)]);
  b.now = Date.UTC(2027, 2, 28, 1, 1);
  await b.tell([firing('e2', b.now)]);
  expect(await b.lines('a')).toEqual(['new: e1']);
  await b.pass(HOUR);
  expect((await b.messages('a')).map(({ id, createdAt }) => [id, new Date(createdAt).toISOString()])[1]).toEqual([
    ...['e2-1', '2027-03-28T02:00:00.000Z'],
  ]);
});

test('semantics 5, F3 pain 7, timers lost at restart: what is due while no hub runs happens when one does', async () => {
  const b = await bench(['a', { groupBy: [], wait: '30s' }], ['b', { match: ['device=none'] }]);
  await b.policy('escalations: [{ steps: [{ after: 5m, channels: [b] }] }]');
  await b.tell([firing('e1', b.now)]);
  b.restart();
  b.now += HOUR;
  await b.plan();
  expect([await b.lines('a'), await b.lines('b')]).toEqual([['new: e1'], ['escalation: e1']]);
});

test('an alert that a hub of before has told is told to end, once', async () => {
  const b = await bench();
  await b.tell([over('e1', b.now)]);
  b.restart();
  await b.tell([over('e1', b.now)]);
  expect(await b.lines('a')).toEqual(['resolved: e1 over']);
});

test('an alert that is over leaves nothing behind but its log', async () => {
  const b = await bench(['a', { groupBy: [], repeat: '1h' }], ['b', { rate: '2/1m' }]);
  await b.policy('flapping: {}');
  for (let n = 0; n < 30; n++) await b.tell([firing(`e${n}`, b.now)]);
  await b.pass(HOUR);
  for (let n = 0; n < 30; n++) await b.tell([over(`e${n}`, b.now)]);
  await b.pass(24 * HOUR);
  for (const partition of ['alert', 'queue', 'flaps']) {
    expect((await b.store.query({ table: 'plan', partition })).items, partition).toEqual([]);
  }
  expect(b.planner.plan!.alerts.size).toBe(0);
});

test('an end that is read before its begin, for items of one millisecond have no order, is told after it', async () => {
  const b = await bench();
  const entry = (transition: ReturnType<typeof firing>) => ({ transition, origin: 'edge' as const, channels: ['a'] });
  await b.put(entry(firing('e0', b.now)), entry(over('e1', b.now)));
  b.now += 1;
  await b.put(entry(firing('e1', b.now)));
  b.now += 1;
  await b.put(entry(over('e2', b.now, { historical: true })));
  await b.put(entry(firing('e2', b.now, { historical: true })));
  await b.plan();
  expect(await b.lines('a')).toEqual(['new: e0', 'new: e1', 'resolved: e1 over']);
  await b.pass(HOUR);
  expect((await b.lines('a')).slice(3)).toEqual(['historical: e2 over']);
  expect([...b.planner.plan!.alerts.keys()]).toEqual(['e0']);
});
