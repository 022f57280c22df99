import type { AlertState } from '@weir/protocols';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { transition } from '../api/control.fixture.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import type { EpisodeSummary } from './episode.ts';
import { episodeChanges, raised } from './episodes.ts';
import { forgetResolved } from './forget.ts';
import { type EpisodeFilter, isWanted, listEpisodes } from './listing.ts';
import { reindexEpisodes } from './reindex.ts';

const T0 = 1_795_000_000_000;
let store: Store;
beforeEach(() => {
  store = createMemoryStore();
});

const STATES = ['pending', 'firing', 'resolved', 'no-data'] as const;

async function fill(count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    const state = STATES[at % 4]!;
    const startedAt = T0 + ((at * 7919) % count) * 1_000;
    const made = transition({
      ...{ episode: `episode${String(at).padStart(5, '0')}`, state, startedAt, ts: startedAt },
      device: `gw${at % 3}`,
      source: { kind: 'rule', name: `rule${at % 5}`, version: '1' },
      severity: (['info', 'warning', 'critical'] as const)[at % 3]!,
      ...(at % 11 === 0 && { dryRun: true }),
    });
    const { changes } = await episodeChanges(store, raised('edge', [made]), T0 + at);
    await store.write(changes);
  }
}

async function pages(filter: EpisodeFilter, limit: number): Promise<EpisodeSummary[]> {
  const found: EpisodeSummary[] = [];
  let after: string | undefined;
  do {
    const page = await listEpisodes(store, { ...filter, limit, ...(after !== undefined && { after }) });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return found;
}

test('whatever is asked for, and however it is cut into pages: all that are like that, each once, the newest first', async () => {
  await fill(220);
  const all = [...(await pages({}, 500)), ...(await pages({ dryRun: true }, 500))];
  expect(all).toHaveLength(220);
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const filters = fc.record({
    states: maybe(fc.subarray([...STATES] as AlertState[], { minLength: 1 })),
    severities: maybe(fc.subarray(['info', 'warning', 'critical'] as const, { minLength: 1 })),
    device: maybe(fc.constantFrom('gw0', 'gw1', 'gw9')),
    rule: maybe(fc.constantFrom('rule0', 'rule4')),
    since: maybe(fc.integer({ min: T0, max: T0 + 220_000 })),
    until: maybe(fc.integer({ min: T0, max: T0 + 220_000 })),
    dryRun: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(filters, fc.integer({ min: 1, max: 60 }), async (some, limit) => {
      const filter = JSON.parse(JSON.stringify(some)) as EpisodeFilter;
      const expected: EpisodeSummary[] = [];
      for (const each of all) if (await isWanted(each, filter)) expected.push(each);
      expected.sort((a, b) => b.startedAt - a.startedAt || (a.episode < b.episode ? 1 : -1));
      const found = await pages(filter, limit);
      expect(found.map(({ episode }) => episode)).toEqual(expected.map(({ episode }) => episode));
    }),
    { numRuns: 150 },
  );
});

test('one that began earlier than was told is found where it belongs, by all ways', async () => {
  await fill(8);
  const made = {
    episode: 'episode00001',
    device: 'gw1',
    source: { kind: 'rule', name: 'rule1', version: '1' },
  } as const;
  const corrected = transition({ ...made, seq: 2, reason: 'corrected', severity: 'critical', startedAt: T0 - 5_000 });
  const { changes } = await episodeChanges(store, raised('edge', [corrected]), T0);
  await store.write(changes);
  for (const filter of [{}, { device: 'gw1' }, { rule: 'rule1' }]) {
    const found = await pages(filter, 3);
    expect(found.at(-1)).toMatchObject({ episode: 'episode00001', startedAt: T0 - 5_000 });
    expect(found.filter(({ episode }) => episode === 'episode00001')).toHaveLength(1);
  }
});

test('a page ends when enough was looked at, and says where', async () => {
  await fill(1_300);
  const { items, next } = await listEpisodes(store, { device: 'gw1', assignee: 'nobody', limit: 10 });
  expect(items).toEqual([]);
  // Those of one device are fewer than what is looked at.
  expect(next).toBeUndefined();
  const wide = await listEpisodes(store, { rule: 'rule0', passes: async () => false, limit: 10 });
  expect(wide).toEqual({ items: [] });
});

test('what a hub of before recorded is listed too, and found by its device once it was looked through', async () => {
  await fill(3);
  const { items } = await store.query({ table: 'episode-index', partition: 'firing' });
  const { severityMax: _, recordedAt: _at, ...old } = items[0]!.json as EpisodeSummary;
  const { table, partition, sort } = items[0]!;
  const whole = { table: 'episode', partition: old.episode, sort: 'state' };
  const { log, told, ...before } = (await store.get(whole))!.json as Record<string, unknown>;
  await store.write([
    { put: { table, partition, sort }, json: old },
    {
      put: whole,
      json: { ...before, ...old, severityMax: undefined, recordedAt: undefined, told: { channels: ['a'], end: false } },
    },
    { remove: { table: 'episode-of', partition: `device/${old.device}`, sort } },
  ]);
  expect((await pages({ states: ['firing'] }, 9))[0]).toMatchObject({
    severityMax: old.severity,
    recordedAt: old.updatedAt,
  });
  expect(await pages({ device: old.device }, 9)).toEqual([]);
  await reindexEpisodes(store);
  await reindexEpisodes(store);
  expect(await pages({ device: old.device }, 9)).toMatchObject([{ episode: old.episode, severityMax: old.severity }]);
  const end = transition({ ...old, seq: 2, state: 'resolved', reason: 'cleared' } as never);
  const { changes, fresh } = await episodeChanges(store, raised('edge', [end]), T0);
  await store.write(changes);
  expect(fresh).toMatchObject([{ episode: { state: 'resolved' } }]);
  expect(JSON.stringify(changes)).toContain('"channels":["a"]');
});

describe('what is forgotten', () => {
  test('is what is over for long enough; never one that latches and that nobody has seen', async () => {
    const latch = { latch: true, device: 'gw1' } as const;
    const steps = [
      transition({ episode: 'latching0001', ...latch }),
      transition({ episode: 'latching0001', seq: 2, state: 'resolved', ...latch }),
      transition({ episode: 'plain0000001' }),
      transition({ episode: 'plain0000001', seq: 2, state: 'resolved' }),
      transition({ episode: 'trial0000001', dryRun: true }),
      transition({ episode: 'trial0000001', seq: 2, state: 'resolved', dryRun: true }),
    ];
    const { changes } = await episodeChanges(store, raised('edge', steps), T0);
    await store.write(changes);
    const later = T0 + 400 * 86_400_000;
    expect(await Array.fromAsync(forgetResolved(store, later, later))).toEqual([1, 1]);
    expect((await pages({}, 9)).map(({ episode }) => episode)).toEqual(['latching0001']);
    expect(await pages({ dryRun: true }, 9)).toEqual([]);
    for (const table of ['episode', 'episode-index', 'episode-of']) {
      const { names } = await store.partitions(table);
      expect([table, names.length]).toEqual([table, table === 'episode-of' ? 2 : 1]);
    }
  });
});
