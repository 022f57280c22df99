import type { AlertTransition } from '@weir/protocols';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { transition } from '../api/control.fixture.ts';
import { channelKey } from '../notify/channels.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { CHANGES_PER_EPISODE, episodeChanges, getEpisode, raised, unrecorded } from './episodes.ts';
import { forgetResolved } from './forget.ts';
import { listEpisodes } from './listing.ts';

let store: Store;
beforeEach(() => {
  store = createMemoryStore();
});

const addChannel = (to: Store, name: string, over = {}) =>
  to.write([
    {
      put: channelKey(name),
      json: { id: `id-${name}`, kind: 'terminal', createdAt: 0, delivered: 0, dropped: 0, ...over },
    },
  ]);

const NOW = 1_795_000_100_000;

function record(to: Store, ...transitions: AlertTransition[]): Promise<AlertTransition[]> {
  return recordAt(NOW, to, ...transitions);
}

async function recordAt(now: number, to: Store, ...transitions: AlertTransition[]): Promise<AlertTransition[]> {
  const { changes, fresh } = await episodeChanges(to, raised('edge', transitions), now);
  expect(await unrecorded(to, transitions)).toEqual(fresh.map(({ transition }) => transition));
  if (changes.length > 0) await to.write(changes);
  return fresh.map(({ transition }) => transition);
}

/** What is to be told, as `<seq>><channel>`, in order. */
async function told(from: Store): Promise<string[]> {
  const { items } = await from.query({ table: 'notify', partition: 'intake' });
  return items.flatMap((item) =>
    (item.json as { entries: { transition: AlertTransition; channels: string[] }[] }).entries.flatMap((entry) =>
      entry.channels.map((channel) => `${entry.transition.seq}>${channel}`),
    ),
  );
}

const pending = transition({ seq: 1, state: 'pending', ts: 1000, startedAt: 1000 });
const firing = transition({ seq: 2, state: 'firing', reason: 'held', ts: 2000, startedAt: 1000, peak: 82 });
const resolved = transition({ seq: 3, state: 'resolved', reason: 'cleared', ts: 3000, startedAt: 1000, value: 70 });

describe('an episode', () => {
  test('runs from pending to resolved; its firing and its end are told once each, to each channel', async () => {
    await addChannel(store, 'a');
    await addChannel(store, 'b');
    for (const each of [pending, firing, resolved]) expect(await record(store, each)).toEqual([each]);
    expect(await told(store)).toEqual(['2>id-a', '2>id-b', '3>id-a', '3>id-b']);
    expect(await getEpisode(store, 'episode0001')).toMatchObject({
      state: 'resolved',
      startedAt: 1000,
      firedAt: 2000,
      resolvedAt: 3000,
      value: 70,
      transitions: [pending, firing, resolved],
      seen: [[1, 3]],
    });
  });

  test('that comes twice is recorded once and told once', async () => {
    await addChannel(store, 'a');
    await record(store, pending, firing, pending, firing);
    expect(await record(store, firing, resolved)).toEqual([resolved]);
    expect(await record(store, pending, firing, resolved)).toEqual([]);
    expect(await told(store)).toEqual(['2>id-a', '3>id-a']);
  });

  test('is not opened again by a firing that comes late', async () => {
    await addChannel(store, 'a');
    await record(store, firing);
    await record(store, { ...resolved, seq: 4 });
    expect(await record(store, { ...firing, seq: 3, ts: 2500 })).toHaveLength(1);
    expect((await getEpisode(store, 'episode0001'))!.state).toBe('resolved');
    expect(await told(store)).toEqual(['2>id-a', '4>id-a']);
    expect((await listEpisodes(store, { limit: 9 })).items).toHaveLength(1);
  });

  test('whose end overtakes its firing is told in the right order all the same', async () => {
    await addChannel(store, 'a');
    await record(store, resolved);
    expect(await told(store)).toEqual([]);
    await record(store, firing);
    expect(await told(store)).toEqual(['2>id-a', '3>id-a']);
    expect((await getEpisode(store, 'episode0001'))!.state).toBe('resolved');
  });

  test('that never fired is not told', async () => {
    await addChannel(store, 'a');
    await record(store, pending, { ...resolved, seq: 2 });
    expect(await told(store)).toEqual([]);
  });

  test('is told to the end to the channels that heard it fire, not to one that was added later', async () => {
    await addChannel(store, 'a');
    await record(store, firing);
    await addChannel(store, 'b');
    await record(store, resolved);
    expect(await told(store)).toEqual(['2>id-a', '3>id-a']);
  });

  test('is not told to a channel that was disabled', async () => {
    await addChannel(store, 'a', { disabled: { at: 1, detail: 'HTTP 410' } });
    await record(store, firing, resolved);
    expect(await told(store)).toEqual([]);
  });

  test('belongs to its device: another that uses its name changes nothing', async () => {
    await record(store, firing);
    expect(await record(store, { ...resolved, device: 'gw2' })).toEqual([]);
    expect((await getEpisode(store, 'episode0001'))!.state).toBe('firing');
  });

  test('that changes with every reading stays small, and keeps how it began and ended', async () => {
    await record(store, firing);
    for (let seq = 3; seq < 200; seq++) await record(store, { ...firing, seq, severity: 'critical' });
    await record(store, { ...resolved, seq: 200 });
    const { transitions } = (await getEpisode(store, 'episode0001'))!;
    expect(transitions.length).toBeLessThanOrEqual(50);
    expect(transitions.length).toBeGreaterThan(40);
    expect([transitions[0]!.seq, transitions.at(-1)!.state]).toEqual([2, 'resolved']);
  });
});

test('in whatever order, cut and repetition transitions come, each episode is told as firing, then resolved, once', async () => {
  const script = [pending, firing, resolved];
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([...script, ...script], { minLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 6, maxLength: 6 }),
      async (order, cuts) => {
        const own = createMemoryStore();
        await addChannel(own, 'a');
        const rest = [...order];
        for (const cut of cuts) if (rest.length > 0) await record(own, ...rest.splice(0, cut));
        await record(own, ...rest);
        expect(await told(own)).toEqual(['2>id-a', '3>id-a']);
        expect((await getEpisode(own, 'episode0001'))!.state).toBe('resolved');
        expect((await listEpisodes(own, { limit: 9 })).items).toHaveLength(1);
      },
    ),
    { numRuns: 200 },
  );
});

test('two workers that record one transition at once cannot both do it', async () => {
  const both = await Promise.all([1, 2].map(() => episodeChanges(store, raised('edge', [firing]), 1)));
  await store.write(both[0]!.changes);
  await expect(store.write(both[1]!.changes)).rejects.toMatchObject({ code: 'conflict' });
});

test('changes for an episode stay within what is promised, however many channels there are', async () => {
  for (let i = 0; i < 50; i++) await addChannel(store, `c${i}`);
  await record(store, pending);
  const { changes } = await episodeChanges(store, raised('edge', [firing, resolved]), 1);
  expect(changes.length).toBeLessThanOrEqual(CHANGES_PER_EPISODE + 1);
});

describe('the list', () => {
  beforeEach(async () => {
    for (let i = 0; i < 9; i++) {
      const state = (['pending', 'firing', 'resolved'] as const)[i % 3]!;
      await record(store, transition({ episode: `episode000${i}`, state, startedAt: 1000 + i, ts: 1000 + i }));
    }
  });

  test('shows the newest first, page by page, each once', async () => {
    const found: string[] = [];
    let after: string | undefined;
    do {
      const page = await listEpisodes(store, { limit: 4, ...(after === undefined ? {} : { after }) });
      found.push(...page.items.map(({ episode }) => episode));
      after = page.next;
    } while (after !== undefined);
    expect(found).toEqual(Array.from({ length: 9 }, (_, i) => `episode000${8 - i}`));
  });

  test('filters by state, also after the state changed', async () => {
    await record(store, transition({ episode: 'episode0001', seq: 2, state: 'resolved', ts: 2000, startedAt: 1001 }));
    const of = async (state: 'firing' | 'resolved') =>
      (await listEpisodes(store, { states: [state], limit: 9 })).items.map(({ episode }) => episode);
    expect(await of('firing')).toEqual(['episode0007', 'episode0004']);
    expect(await of('resolved')).toEqual(['episode0008', 'episode0005', 'episode0002', 'episode0001']);
  });

  test('forgets what ended long ago, and never what is open', async () => {
    const forget = () => Array.fromAsync(forgetResolved(store, NOW + 1, NOW));
    // It began long ago, and ends only later.
    const end = transition({ episode: 'episode0001', seq: 2, state: 'resolved', ts: 2000, startedAt: 1001 });
    await recordAt(NOW + 1, store, end);
    // By the clock of its device it has yet to begin.
    const startedAt = 9e12;
    await record(store, transition({ episode: 'episode0009', state: 'resolved', ts: startedAt, startedAt }));
    expect(await forget()).toEqual([3, 1]);
    expect(await getEpisode(store, 'episode0002')).toBeUndefined();
    expect(await getEpisode(store, 'episode0001')).toBeDefined();
    expect((await listEpisodes(store, { limit: 20 })).items).toHaveLength(6);
    expect(await forget()).toEqual([]);
  });
});
