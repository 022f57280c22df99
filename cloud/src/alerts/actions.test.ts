import type { AlertTransition } from '@weir/protocols';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Control, createControl, enrolDevice, transition } from '../api/control.fixture.ts';
import { channelKey } from '../notify/channels.ts';
import { END_TABLE } from './ends.ts';
import type { OperatorAction } from './episode.ts';
import { episodeChanges, getEpisode, raised } from './episodes.ts';

const T0 = 1_795_000_000_000;
const WEEK_MS = 7 * 86_400_000;

let control: Control;
const clock = { now: T0 };

beforeEach(async () => {
  clock.now = T0;
  control = await createControl({ clock, unsigned: true });
  await control.store.write([
    { put: channelKey('a'), json: { id: 'a', kind: 'terminal', createdAt: 0, delivered: 0, dropped: 0 } },
  ]);
  await enrolDevice(control.fleet, 'gw1', []);
});
afterEach(() => control.close());

async function record(...transitions: AlertTransition[]): Promise<void> {
  await recordOf('edge', ...transitions);
}

async function recordOf(origin: 'edge' | 'cloud', ...transitions: AlertTransition[]): Promise<void> {
  const { changes } = await episodeChanges(control.store, raised(origin, transitions), clock.now);
  await control.store.write(changes);
}

const { alerts } = { alerts: () => control.options.alerts };
const act = (what: OperatorAction, ...ids: string[]) =>
  alerts().act(ids.length > 0 ? ids : ['episode0001'], { id: `${what}-${clock.now}`, by: 'ana', what });
const episode = () => getEpisode(control.store, 'episode0001');

/** What the notifier is to tell, by number, state and reason. */
async function told(): Promise<string[]> {
  const { items } = await control.store.query({ table: 'notify', partition: 'intake' });
  const entries = items.flatMap(({ json }) => (json as { entries: { transition?: AlertTransition }[] }).entries);
  return entries.flatMap(({ transition: each }) =>
    each === undefined ? [] : `${each.seq} ${each.state} ${each.reason}`,
  );
}

const begun = transition({ latch: true });
const over = transition({ seq: 2, state: 'resolved', reason: 'cleared', ts: T0 + 5, latch: true });

test('pain 1, fired and never resolved: the end of one that latches is told when it is acknowledged, once', async () => {
  await record(begun, over);
  expect(await told()).toEqual(['1 firing threshold']);
  clock.now += 60_000;
  expect(await act('ack')).toEqual([{ episode: 'episode0001', outcome: 'done' }]);
  expect(await told()).toEqual(['1 firing threshold', '2 resolved acknowledged']);
  expect(await act('ack')).toEqual([{ episode: 'episode0001', outcome: 'unchanged' }]);
  await record(over);
  expect(await told()).toHaveLength(2);
});

test('who acknowledges, assigns and comments at the same time all do', async () => {
  await record(transition());
  const what = ['ack', 'comment', 'assign', 'shelve'] as const;
  const actions = what.map((each) =>
    alerts().act(['episode'], {
      ...{ id: `one-of-${each}`, by: each, what: each },
      ...(each === 'comment' && { comment: 'looking' }),
      ...(each === 'assign' && { assignee: 'bo' }),
      ...(each === 'shelve' && { until: T0 + 1_000 }),
    }),
  );
  await Promise.all([...actions, record(transition({ seq: 2, reason: 'severity', severity: 'critical' }))].slice(0, 4));
  expect(await episode()).toMatchObject({ ackedBy: 'ack', assignee: 'bo', comments: 1, shelvedUntil: T0 + 1_000 });
  expect((await episode())!.log.map(({ what: did }) => did).toSorted()).toEqual(what.toSorted());
});

test('one id of several that is not there, and nothing is done', async () => {
  await record(transition());
  await expect(act('ack', 'episode0001', 'nothing')).rejects.toMatchObject({ code: 'alert-unknown' });
  expect((await episode())!.ackedAt).toBeUndefined();
});

describe('one that is ended by hand', () => {
  const commands = async () => (await control.commands.list('gw1')).map(({ name, state }) => `${name} ${state}`);
  const waiting = async () => (await control.store.partitions(END_TABLE)).names;

  test('is told as ended once, whatever its device says later; a command tells the device', async () => {
    await record(transition());
    await act('end');
    expect(await told()).toEqual(['1 firing threshold', '2 resolved manual']);
    await vi.waitFor(async () => expect(await commands()).toEqual(['weir.end-alert waiting']));
    await record(transition({ seq: 2, reason: 'severity', severity: 'critical' }));
    expect(await waiting()).toEqual(['gw1']);
    await record(transition({ seq: 3, state: 'resolved', reason: 'cleared' }));
    expect(await told()).toHaveLength(2);
    expect(await waiting()).toEqual([]);
    expect(await episode()).toMatchObject({ state: 'resolved', reason: 'manual', resolvedAt: T0, clearedAt: T0 });
  });

  test('that nobody was told of is not told as ended either, nor as firing when that comes late', async () => {
    await record(transition({ state: 'pending' }));
    await act('end');
    await record(transition({ seq: 2, reason: 'held' }));
    expect(await told()).toEqual([]);
  });

  test('and is over for its device already, as one that latches is, asks its device for nothing', async () => {
    await record(begun, over);
    await act('end');
    expect(await told()).toEqual(['1 firing threshold', '3 resolved manual']);
    expect(await waiting()).toEqual([]);
    expect(await commands()).toEqual([]);
  });

  test('while its device was away for longer than a command waits: it is sent anew when the device is back', async () => {
    await record(transition());
    await act('end');
    await vi.waitFor(async () => expect(await commands()).toHaveLength(1));
    control.ends.resume('gw1');
    await control.ends.stop();
    expect(await commands()).toEqual(['weir.end-alert waiting']);
    clock.now += WEEK_MS + 1;
    control.ends.resume('gw1');
    await control.ends.stop();
    expect((await commands()).filter((each) => each.endsWith('waiting'))).toHaveLength(1);
    expect(await waiting()).toEqual(['gw1']);
  });

  test('is sent by a hub that was killed in between, when it is started again', async () => {
    await record(transition());
    control.ends.committed = () => {};
    await act('end');
    expect(await commands()).toEqual([]);
    control.ends.start();
    await control.ends.stop();
    expect(await commands()).toEqual(['weir.end-alert waiting']);
  });

  test('is forgotten with a device that is gone', async () => {
    await record(transition());
    control.ends.committed = () => {};
    await act('end');
    await control.fleet.remove('gw1');
    control.ends.start();
    await control.ends.stop();
    expect(await waiting()).toEqual([]);
  });

  test('in the cloud is what its worker is to hear', async () => {
    await recordOf('cloud', transition());
    await act('end');
    expect(control.nudged).toEqual(['gw1']);
    expect(await waiting()).toEqual(['gw1']);
    expect(await commands()).toEqual([]);
  });
});

test('the name of the API key is who did it, and what it did is in the audit log', async () => {
  await record(transition());
  const { key } = await control.access.create({ name: 'night-shift', role: 'operator', by: 'test' });
  const ask = (payload: object) =>
    control.app.inject({
      ...{ method: 'POST', url: '/api/v1/alerts/actions', payload },
      headers: { authorization: `Bearer ${key}` },
    });
  const body = { what: 'ack', episodes: ['episode0001'], comment: 'on my way', id: 'chosen-by-me' };
  expect((await ask(body)).json()).toEqual({ items: [{ episode: 'episode0001', outcome: 'done' }] });
  expect((await ask(body)).json()).toEqual({ items: [{ episode: 'episode0001', outcome: 'unchanged' }] });
  expect(await episode()).toMatchObject({ ackedBy: 'night-shift', ackComment: 'on my way', comments: 1 });
  for (const wrong of [{ what: 'burn' }, { what: 'shelve' }, { comment: '' }, { episodes: [] }, { more: 1 }]) {
    expect((await ask({ ...body, ...wrong })).statusCode).toBe(400);
  }
});
