import type { AlertTransition } from '@weir/protocols';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Control, createControl, enrolDevice, transition } from '../api/control.fixture.ts';
import { parseMatchers } from '../notify/plan/matchers.ts';
import type { AlertFilter } from './alerts.ts';
import { episodeChanges, raised } from './episodes.ts';

const T0 = 1_795_000_000_000;
const clock = { now: T0 };
let control: Control;

beforeEach(async () => {
  clock.now = T0;
  control = await createControl({ clock, unsigned: true });
  await control.fleet.createGroup('ovens');
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  await enrolDevice(control.fleet, 'gw2', []);
  await control.fleet.tag('gw2', { set: { site: 'lab' } });
  await control.fleet.presence('gw1', true, T0);
});
afterEach(() => control.close());

async function record(origin: 'edge' | 'cloud', ...transitions: AlertTransition[]): Promise<void> {
  const { changes } = await episodeChanges(control.store, raised(origin, transitions), clock.now);
  await control.store.write(changes);
}

const listed = async (filter: AlertFilter) =>
  (await control.options.alerts.list(filter, { limit: 10 })).items.map(({ device }) => device);

test('alerts are found by the groups of their devices, by labels of rules and by tags, what gathers by its group', async () => {
  await record('edge', transition({ episode: 'episode0001', labels: { team: 'a' } }));
  await record('edge', transition({ episode: 'episode0002', device: 'gw2' }));
  await record('cloud', transition({ episode: 'episode0003', device: 'ovens/mean' }));
  expect(await listed({ group: 'ovens' })).toEqual(['ovens/mean', 'gw1']);
  const by = (text: string) => listed({ matchers: parseMatchers(text) });
  expect(await by('team="a"')).toEqual(['gw1']);
  expect(await by('tag_site=lab')).toEqual(['gw2']);
  expect(await by('group=ovens, origin=cloud')).toEqual(['ovens/mean']);
  expect(await by('device=~"gw.*", team=""')).toEqual(['gw2']);
});

test('pain 2, the link drops, not the machine: an active alert of a device that is away is shown as of when it was heard of', async () => {
  await record('edge', transition());
  await record('cloud', transition({ episode: 'episode0002' }));
  const asOf = async () => (await control.options.alerts.list({}, { limit: 10 })).items.map((each) => each.asOf);
  expect(await asOf()).toEqual([undefined, undefined]);
  clock.now = T0 + 60_000;
  await control.fleet.presence('gw1', false, clock.now, { reason: 'CONNECTION_LOST', heardAt: T0 + 40_000 });
  // That of the hub is the hub's to know.
  expect(await asOf()).toEqual([undefined, T0 + 40_000]);
  const [, frozen] = (await control.options.alerts.list({}, { limit: 10 })).items;
  expect(frozen).toMatchObject({ state: 'firing', activeMs: 60_000 });
  await record('edge', transition({ seq: 2, state: 'resolved', reason: 'cleared' }));
  expect((await control.options.alerts.get('episode0001')).asOf).toBeUndefined();
});
