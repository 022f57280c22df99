import pino from 'pino';
import { beforeEach, describe, expect, test } from 'vitest';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import type { Attempt, Audit, AuditQuery } from './audit.ts';
import { openAudit } from './stored-audit.ts';

const DAY_MS = 86_400_000;
const LIMITS = { keepMs: 30 * DAY_MS, changesMax: 500, othersMax: 200 };
const LOGGER = pino({ level: 'silent' });

let store: Store;
let now: number;
let writes: number;
let audit: Audit;
const open = () => openAudit({ store, now: () => now, logger: LOGGER }, LIMITS);

beforeEach(async () => {
  store = createMemoryStore();
  const write = store.write.bind(store);
  store.write = (changes) => {
    writes += 1;
    return write(changes);
  };
  now = 1_800_000_000_000;
  audit = await open();
  writes = 0;
});

function attempt(over: Partial<Attempt> = {}): Attempt {
  const by = { id: 'wk0000000000000001', name: 'anna' };
  return { by, from: '10.0.0.7', what: 'POST /api/v1/groups', target: '/api/v1/groups', ...over };
}

async function listed(query: Partial<AuditQuery> = {}) {
  return (await audit.list({ limit: 100, ...query })).items;
}

const change = async (over: Partial<Attempt> = {}, status = 201, code?: string) =>
  audit.end(await audit.begin(attempt(over)), status, code);

test('a change is kept before it is made, and its outcome with it, over restarts', async () => {
  const id = await audit.begin(attempt({ body: '{"name":"ovens"}' }));
  audit = await open();
  expect(await listed()).toMatchObject([{ id, kind: 'change', at: now, outcome: 'begun', by: { name: 'anna' } }]);
  now += 5;
  await change({ target: '/api/v1/groups/x' }, 404, 'group-unknown');
  await change({}, 503, 'store-failed');
  audit = await open();
  expect((await listed()).map(({ outcome, status, code }) => [outcome, status, code])).toEqual([
    ['failed', 503, 'store-failed'],
    ['refused', 404, 'group-unknown'],
    ['begun', undefined, undefined],
  ]);
});

test('a hub whose clock was set back goes on in the order in which things were done', async () => {
  await change({ target: '/first' });
  now -= DAY_MS;
  audit = await open();
  await change({ target: '/second' });
  expect((await listed()).map(({ target }) => target)).toEqual(['/second', '/first']);
});

describe('what is asked for', () => {
  beforeEach(async () => {
    for (let n = 0; n < 30; n++) {
      const by = { id: `wk${n % 3}`, name: ['anna', 'ben', 'ci'][n % 3]! };
      await change({ by, target: `/api/v1/groups/g${n}` }, n % 2 === 0 ? 200 : 409);
      if (n % 10 === 0) audit.denied(attempt({ target: `/denied/${n}` }), 403, 'role-too-low');
      now += 60_000;
    }
  });

  test('comes page by page, every entry once, the last first', async () => {
    const all = await listed();
    expect(all.length).toBe(33);
    expect(all.map(({ at }) => at)).toEqual(all.map(({ at }) => at).toSorted((a, b) => b - a));
    const paged: string[] = [];
    let after: string | undefined;
    do {
      const page = await audit.list({ limit: 7, ...(after !== undefined && { after }) });
      paged.push(...page.items.map(({ id }) => id));
      after = page.next;
    } while (after !== undefined);
    expect(paged).toEqual(all.map(({ id }) => id));
  });

  test.each<[string, Partial<AuditQuery>, number]>([
    ['a key by name', { by: 'ben' }, 10],
    ['a key by id', { by: 'wk2' }, 10],
    ['a part of the path', { target: '/groups/g2' }, 11],
    ['one kind', { kind: 'denied' }, 3],
    ['an outcome', { outcome: 'refused' }, 15],
    ['a time', { since: 1_800_000_000_000 + 20 * 60_000 }, 11],
    ['nothing that is there', { by: 'zoe' }, 0],
  ])('%s', async (_, query, count) => {
    expect((await listed(query)).length).toBe(count);
  });
});

describe('nobody can fill the disk, nor push out with their own what others did', () => {
  test('changes are bounded in number, the oldest go', async () => {
    for (let n = 0; n < 1_200; n++) await change({ target: `/${n}` });
    const all: string[] = [];
    for await (const { sort } of (await store.query({ table: 'audit', partition: 'change', limit: 5_000 })).items) {
      all.push(sort);
    }
    expect(all.length).toBeGreaterThan(LIMITS.changesMax - 101);
    expect(all.length).toBeLessThanOrEqual(LIMITS.changesMax);
    expect((await listed({ limit: 1 }))[0]!.target).toBe('/1199');
    audit = await open();
    await change({ target: '/next' });
    expect((await listed({ limit: 2 })).map(({ target }) => target)).toEqual(['/next', '/1199']);
  });

  test('and in age', async () => {
    for (let n = 0; n < 150; n++) await change();
    now += 31 * DAY_MS;
    await change({ target: '/late' });
    expect((await listed()).map(({ target }) => target)).toEqual(['/late']);
    now += 31 * DAY_MS;
    expect(await listed()).toEqual([]);
    await change({ target: '/later' });
    expect((await listed()).map(({ target }) => target)).toEqual(['/later']);
  });

  test('a flood of denied attempts is a few entries with counts, exact once they are asked for', async () => {
    for (let n = 0; n < 5_000; n++) audit.denied(attempt({ from: '6.6.6.6' }), 401, 'api-key-wrong');
    await expect.poll(() => writes).toBe(13);
    expect(await listed()).toMatchObject([{ outcome: 'denied', count: 5_000, from: '6.6.6.6', code: 'api-key-wrong' }]);
  });

  test('from many addresses, too: those over the bound are counted together', async () => {
    for (let n = 0; n < 5_000; n++) audit.denied(attempt({ from: `2001:db8::${n}` }), 401, 'api-key-wrong');
    const all = await listed();
    expect(all.length).toBe(21);
    expect(all[0]).toMatchObject({ from: '*', count: 4_980 });
    now += 60_000;
    audit.denied(attempt({ from: '6.6.6.6' }), 401, 'api-key-wrong');
    expect((await listed({ limit: 1 }))[0]).toMatchObject({ from: '6.6.6.6' });
  });

  test('messages to devices are counted by key and device, for ten minutes each', async () => {
    for (let n = 0; n < 1_500; n++) {
      await audit.message(attempt({ what: 'POST /topics/*', target: `/topics/t${n % 3}` }));
      now += 1_000;
    }
    expect((await listed()).map(({ target, count }) => [target, count])).toEqual([
      ['/topics/t2', 100],
      ['/topics/t1', 100],
      ['/topics/t0', 100],
      ['/topics/t2', 200],
      ['/topics/t1', 200],
      ['/topics/t0', 200],
      ['/topics/t2', 200],
      ['/topics/t1', 200],
      ['/topics/t0', 200],
    ]);
  });

  test('what a hub that was killed had counted is at least half there', async () => {
    for (let n = 0; n < 1_000; n++) {
      audit.denied(attempt(), 401, 'api-key-wrong');
      await new Promise(setImmediate);
    }
    const killed = await open();
    expect((await killed.list({ limit: 9 })).items).toMatchObject([{ count: 512 }]);
  });
});
