/** What comes to functions in the cloud beside readings: devices that come and go, alerts that devices raise. */
import type { AlertTransition } from '@weir/protocols';
import { emptyStepOutput, type FoldHost } from '@weir/runtime';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodePresence } from '../log/presence-record.ts';
import { readPresence } from '../store/presence.ts';
import { drained, Running } from './running.fixture.ts';
import { alert, alertRecord, anyDeployed, failingStore, record, T0 } from './worker.fixture.ts';

const DEPLOYED = anyDeployed('ears');

let running: Running;
beforeEach(() => {
  running = new Running({ makeHost: listeningHost });
  running.wanted = () => [DEPLOYED];
});
afterEach(() => running.stop());

/** A fold whose state is the list of what it heard. An alert that fires makes it raise one of its own. */
function listeningHost(device: string): FoldHost {
  let heard: string[] = [];
  const hear = (words: string[], alerts: AlertTransition[] = []) => {
    heard.push(...words);
    return { ...emptyStepOutput(), alerts, states: [{ fold: 'ears', json: JSON.stringify(heard) }] };
  };
  return {
    async deploy(_wanted, states) {
      heard = JSON.parse(states.get('ears') ?? '[]') as string[];
      return emptyStepOutput();
    },
    step: async ({ columns }) => hear([`${columns.index.length} readings`]),
    moveTime: emptyStepOutput,
    tick: async () => emptyStepOutput(),
    async event(event, position, now) {
      if (event.kind === 'standing') return undefined;
      expect(now).toBe(T0);
      expect(position).toMatch(/^\d+$/);
      if (event.kind === 'presence') return hear([event.online ? 'online' : 'offline']);
      if (event.kind !== 'alerts') return undefined;
      const firing = event.alerts.filter(({ state }) => state === 'firing');
      return hear(
        event.alerts.map(({ episode, seq }) => `${episode}-${seq}`),
        firing.map(({ episode }) => alert(1, { device, episode: `about${episode}` })),
      );
    },
    status: () => [],
    dispose: () => {},
  };
}

async function heard(device = 'gw1'): Promise<string[]> {
  const item = await running.store.get({ table: 'fold', partition: device, sort: 'state/ears' });
  return item === undefined ? [] : (JSON.parse(new TextDecoder().decode(item.bytes)) as string[]);
}

/** @param session e.g. `a1`: the first connection in life `a` of the front */
const presence = (online: boolean, session: string) => ({
  device: 'gw1',
  lane: 'presence' as const,
  payload: encodePresence({ online, session: { front: session[0]!, number: Number(session.slice(1)) } }),
  receivedAt: T0,
});
const recorded = async () => (await running.store.partitions('episode', { limit: 1000 })).names;

test('a device that comes and goes is told in order with its readings', async () => {
  await running.log.append([
    presence(true, 'a1'),
    record(0, 3),
    presence(false, 'a1'),
    record(3, 1, { lane: 'backfill' }),
  ]);
  await drained(await running.start());
  expect(await heard()).toEqual(['online', '3 readings', 'offline', '1 readings']);
  expect(await readPresence(running.store, 'gw1')).toEqual({
    online: false,
    since: T0,
    session: { front: 'a', number: 1 },
  });
});

test('a connection that another takes over is no coming, and its late end no going', async () => {
  await running.log.append([presence(true, 'a1'), presence(true, 'a2'), presence(false, 'a1')]);
  await running.log.append([presence(true, 'b1'), presence(false, 'a2')]);
  const workers = await running.start();
  await drained(workers);
  expect(await heard()).toEqual(['online']);
  await running.log.append([presence(false, 'b1'), presence(false, 'b1')]);
  await drained(workers);
  expect(await heard()).toEqual(['online', 'offline']);
});

test('the end of a connection that nobody knows of is no going, unless one before it is known', async () => {
  await running.log.append([presence(false, 'a1')]);
  const workers = await running.start();
  await drained(workers);
  expect(await heard()).toEqual([]);
  await running.log.append([presence(true, 'a2'), presence(false, 'a4')]);
  await drained(workers);
  expect(await heard()).toEqual(['online', 'offline']);
});

test('presence is known also of devices for which nothing runs: what is deployed later is told changes alone', async () => {
  running.wanted = () => [];
  await running.log.append([presence(true, 'a1')]);
  const first = await running.start();
  await drained(first);
  await first.stop();
  running.wanted = () => [DEPLOYED];
  await running.log.append([presence(true, 'b1'), presence(false, 'b1')]);
  await drained(await running.start());
  expect(await heard()).toEqual(['offline']);
});

test('alerts that a device raises are heard once, those of another device never', async () => {
  const sent = [alert(1), alert(1, { device: 'gw2', episode: 'another00001' }), alert(2)];
  await running.log.append([alertRecord(0, sent), alertRecord(1, sent.slice(1)), alertRecord(3, [alert(2)])]);
  await drained(await running.start());
  expect(await heard()).toEqual(['episode00001-1', 'episode00001-2']);
  expect(await recorded()).toEqual(['aboutepisode00001', 'episode00001']);
});

test('an alert that is recorded already is not heard again, although it comes under a new number', async () => {
  await running.log.append([alertRecord(0, [alert(1)]), alertRecord(1, [alert(1)])]);
  await drained(await running.start());
  expect(await heard()).toEqual(['episode00001-1']);
});

test('whatever fails whenever: each alert and each change of presence is heard once, in order', async () => {
  const inputs = fc.array(fc.oneof(fc.constant('flap' as const), fc.integer({ min: 1, max: 30 })), {
    minLength: 1,
    maxLength: 8,
  });
  const failures = fc.array(fc.constantFrom('ok', 'before', 'after', 'conflict'), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(inputs, failures, async (sent, plan) => {
      running = new Running({ makeHost: listeningHost });
      running.wanted = () => [DEPLOYED];
      const workers = await running.start({ store: failingStore(running.store, [...plan]) });
      const expected: string[] = [];
      let seq = 0;
      for (const [n, input] of sent.entries()) {
        if (input === 'flap') {
          await running.log.append([presence(true, `a${n}`), presence(false, `a${n}`)]);
          expected.push('online', 'offline');
          continue;
        }
        const alerts = Array.from({ length: input }, (_, at) => {
          const episode = `episode${`${seq + at}`.padStart(5, '0')}`;
          return alert(1, { episode });
        });
        await running.log.append([alertRecord(seq, alerts), alertRecord(seq, alerts)]);
        expected.push(...alerts.map(({ episode }) => `${episode}-1`));
        seq += input;
      }
      await drained(workers);
      await running.stop();
      expect(await heard()).toEqual(expected);
      const about = (await recorded()).filter((episode) => episode.startsWith('about'));
      expect(about.length).toBe(seq);
    }),
    { numRuns: 25 },
  );
}, 30_000);
