import type { JsonObject } from '@weir/protocols';
import pino from 'pino';
import { beforeEach, describe, expect, test } from 'vitest';
import { createMemoryStore } from '../store/memory.ts';
import { type Store, StoreError } from '../store/store.ts';
import { createShadows, type Shadows } from './shadows.ts';

const PREFIX = '$aws/things/gw1/shadow/name/weir';
const SECONDS = 1_700_000_000;

let store: Store;
let shadows: Shadows;
let now: number;
let told: [suffix: string, body: JsonObject][];

beforeEach(() => {
  store = createMemoryStore();
  told = [];
  now = SECONDS * 1000;
  const publish = async (topic: string, payload: string) => {
    told.push([topic.slice(PREFIX.length + 1), JSON.parse(payload)]);
  };
  shadows = createShadows({ store, publish, logger: pino({ level: 'silent' }), now: () => now });
});

const bytes = (body: unknown) => new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));
const update = (body: unknown) => shadows.request('gw1', 'weir', 'update', bytes(body));
const remove = (body: unknown = '') => shadows.request('gw1', 'weir', 'delete', bytes(body));
const get = (body: unknown = '') => shadows.request('gw1', 'weir', 'get', bytes(body));
const suffixes = () => told.map(([suffix]) => suffix);
const stamp = { timestamp: SECONDS };

describe('an accepted update', () => {
  test('tells delta, documents and accepted, in this order', async () => {
    await update({ state: { desired: { a: 1 } }, clientToken: 't1' });
    expect(told).toEqual([
      ['update/delta', { version: 1, timestamp: SECONDS, state: { a: 1 }, metadata: { a: stamp }, clientToken: 't1' }],
      [
        'update/documents',
        {
          previous: null,
          current: { state: { desired: { a: 1 } }, metadata: { desired: { a: stamp } }, version: 1 },
          timestamp: SECONDS,
          clientToken: 't1',
        },
      ],
      [
        'update/accepted',
        {
          state: { desired: { a: 1 } },
          metadata: { desired: { a: stamp } },
          version: 1,
          timestamp: SECONDS,
          clientToken: 't1',
        },
      ],
    ]);
  });

  test('tells no delta when what is reported is what is desired', async () => {
    await update({ state: { desired: { a: 1 }, reported: { a: 1 } } });
    expect(suffixes()).toEqual(['update/documents', 'update/accepted']);
  });

  test('is kept: a get answers with it and its delta', async () => {
    await update({ state: { desired: { a: 1, b: 2 }, reported: { a: 1 } } });
    told = [];
    await get({ clientToken: 't2' });
    expect(told).toEqual([
      [
        'get/accepted',
        {
          state: { desired: { a: 1, b: 2 }, reported: { a: 1 }, delta: { b: 2 } },
          metadata: { desired: { a: stamp, b: stamp }, reported: { a: stamp }, delta: { b: stamp } },
          version: 1,
          timestamp: SECONDS,
          clientToken: 't2',
        },
      ],
    ]);
  });
});

describe('a refused request', () => {
  test.each([
    ['no shadow yet', () => get(), 'get/rejected', { code: 404, message: "No shadow exists with name: 'weir'" }],
    ['junk', () => update('junk'), 'update/rejected', { code: 400, message: 'Invalid JSON' }],
    ['no state', () => update({}), 'update/rejected', { code: 400, message: 'Missing required node: state' }],
    [
      'a version of what is not there',
      () => update({ state: { reported: {} }, version: 7, clientToken: 't' }),
      'update/rejected',
      { code: 400, message: 'Invalid version', clientToken: 't' },
    ],
    [
      'nothing to delete',
      () => remove({ clientToken: 't' }),
      'delete/rejected',
      { code: 404, message: "No shadow exists with name: 'weir'", clientToken: 't' },
    ],
    ['junk with a delete', () => remove('junk'), 'delete/rejected', { code: 400, message: 'Invalid JSON' }],
    [
      'a client token of 65 bytes',
      () => get({ clientToken: 'é'.repeat(33) }),
      'get/rejected',
      { code: 400, message: 'Invalid clientToken' },
    ],
    [
      'too large',
      () => update({ state: { reported: { x: 'x'.repeat(9000) } } }),
      'update/rejected',
      { code: 413, message: 'The payload exceeds the maximum size allowed' },
    ],
  ])('%s', async (_, act, suffix, body) => {
    await act();
    expect(told).toEqual([[suffix, { ...body, timestamp: SECONDS }]]);
  });

  test('bytes that are no UTF-8', async () => {
    await shadows.request('gw1', 'weir', 'update', new Uint8Array([0xff, 0xfe]));
    expect(told[0]![1]).toEqual({
      code: 415,
      message: 'Unsupported documented encoding; supported encoding is UTF-8',
      timestamp: SECONDS,
    });
  });

  test('another version than the one that is there', async () => {
    await update({ state: { reported: { a: 1 } } });
    told = [];
    await update({ state: { reported: { a: 2 } }, version: 2, clientToken: 't' });
    const body = { code: 409, message: 'Version conflict', timestamp: SECONDS, clientToken: 't' };
    expect(told).toEqual([['update/rejected', body]]);
    expect((await shadows.get('gw1', 'weir')).version).toBe(1);
  });
});

describe('a shadow that is deleted', () => {
  beforeEach(async () => {
    await update({ state: { desired: { a: 1 } } });
    await update({ state: { desired: { a: 2 } } });
    told = [];
    await remove({ clientToken: 't' });
  });

  test('is told with its version, and is not there any more', async () => {
    expect(told).toEqual([['delete/accepted', { version: 2, timestamp: SECONDS, clientToken: 't' }]]);
    await expect(shadows.get('gw1', 'weir')).rejects.toMatchObject({ code: 404 });
    expect(await shadows.list('gw1', { limit: 10 })).toEqual({ names: [] });
  });

  test('goes on counting when it is made again within two days, from nothing', async () => {
    now += 48 * 3600 * 1000 - 1;
    told = [];
    await update({ state: { reported: { b: 1 } } });
    const [, documents] = told[0]!;
    expect(documents).toMatchObject({ previous: null, current: { state: { reported: { b: 1 } }, version: 3 } });
  });

  test('begins with 1 after two days, and is forgotten with the next that is deleted', async () => {
    now += 48 * 3600 * 1000;
    await shadows.update('gw1', 'other', bytes({ state: { reported: { a: 1 } } }));
    await shadows.delete('gw1', 'other');
    await expect
      .poll(async () => (await store.query({ table: 'shadow', partition: 'gw1' })).items.map(({ sort }) => sort))
      .toEqual(['other']);
    await update({ state: { reported: { b: 1 } } });
    expect((await shadows.get('gw1', 'weir')).version).toBe(1);
  });
});

test('named shadows are listed in order and by pages, the classic one is not', async () => {
  for (const name of ['b', undefined, 'a', '$x', 'c']) await shadows.update('gw1', name, bytes({ state: {} }));
  await shadows.update('gw2', 'other', bytes({ state: {} }));
  const first = await shadows.list('gw1', { limit: 3 });
  expect(first).toEqual({ names: ['$x', 'a', 'b'], next: 'b' });
  expect(await shadows.list('gw1', { limit: 3, after: first.next! })).toEqual({ names: ['c'] });
  expect(await shadows.list('nobody', { limit: 3 })).toEqual({ names: [] });
});

test('a device has no more named shadows than it may; those it has can still be updated', async () => {
  const few = createShadows(
    { store, publish: async () => {}, logger: pino({ level: 'silent' }), now: Date.now },
    { namedMax: 2 },
  );
  const make = (name: string | undefined) => few.update('gw1', name, bytes({ state: { reported: { a: 1 } } }));
  const made = await Promise.allSettled(['a', 'b', 'c', 'a', undefined].map(make));
  expect(made.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  await expect(make('d')).rejects.toMatchObject({ code: 400, message: expect.stringContaining('2 named shadows') });
});

test('updates at once are merged one after another, none is lost, by few writes', async () => {
  let writes = 0;
  const write = store.write.bind(store);
  store.write = (changes) => {
    writes++;
    return write(changes);
  };
  await Promise.all(Array.from({ length: 10 }, (_, n) => update({ state: { reported: { [`k${n}`]: n } } })));
  const document = await shadows.get('gw1', 'weir');
  expect(Object.keys((document.state as JsonObject).reported as JsonObject).length).toBe(10);
  expect(document.version).toBe(10);
  expect(writes).toBeLessThan(5);
  const versions = told.filter(([suffix]) => suffix === 'update/accepted').map(([, { version }]) => version);
  expect(versions).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('nothing is told of an update that did not become durable', async () => {
  await update({ state: { reported: { a: 1 } } });
  told = [];
  const write = store.write.bind(store);
  store.write = async () => {
    throw new StoreError('io', 'the disk fails');
  };
  await Promise.all([update({ state: { reported: { a: 2 } } }), get(), update('junk')]);
  expect(told.map(([suffix, { code }]) => [suffix, code])).toEqual(
    expect.arrayContaining([
      ['update/rejected', 500],
      ['get/rejected', 500],
      ['update/rejected', 400],
    ]),
  );
  expect(told.length).toBe(3);
  store.write = write;
  expect((await shadows.get('gw1', 'weir')).state).toEqual({ reported: { a: 1 } });
});

test('whoever has the answer may ask again: ten are on their way, never an eleventh', async () => {
  const publish = async (topic: string, payload: string) => {
    if (topic.endsWith('/accepted') && sent < 40) ask();
    answers.push(JSON.parse(payload));
  };
  const eager = createShadows({ store, publish, logger: pino({ level: 'silent' }), now: () => now });
  const answers: JsonObject[] = [];
  const asked: Promise<void>[] = [];
  let sent = 0;
  const ask = () => {
    sent++;
    asked.push(eager.request('gw1', 'weir', 'update', bytes({ state: { reported: { n: sent } } })));
  };
  for (let n = 0; n < 10; n++) ask();
  while (asked.length > 0) await asked.shift();
  expect(answers.filter(({ code }) => code !== undefined)).toEqual([]);
  expect((await eager.get('gw1', 'weir')).version).toBe(40);
});

test('an update that meets a write by another hub is tried again', async () => {
  const write = store.write.bind(store);
  let meddled = false;
  store.write = async (changes) => {
    if (!meddled) {
      meddled = true;
      await shadows.update('gw2', 'weir', bytes({ state: { reported: { other: 1 } } }));
      const put = { table: 'shadow', partition: 'gw1', sort: 'weir' };
      const json = { state: { reported: { theirs: 1 } }, metadata: {}, version: 5, timestamp: SECONDS };
      await write([{ put, json }]);
    }
    await write(changes);
  };
  await update({ state: { reported: { ours: 1 } } });
  const { state, version } = await shadows.get('gw1', 'weir');
  expect({ state, version }).toEqual({ state: { reported: { theirs: 1, ours: 1 } }, version: 6 });
});

test('the classic shadow and named ones are kept apart', async () => {
  await shadows.update('gw1', undefined, bytes({ state: { reported: { a: 1 } } }));
  await expect(shadows.get('gw1', 'weir')).rejects.toMatchObject({ code: 404 });
  expect((await shadows.get('gw1', undefined)).version).toBe(1);
});

test('more requests at once than AWS takes are refused with 429', async () => {
  await Promise.all(Array.from({ length: 12 }, () => get()));
  const busy = told.filter(([, { code }]) => code === 429);
  expect(busy).toEqual(
    Array(2).fill(['get/rejected', { code: 429, message: 'Too many requests', timestamp: SECONDS }]),
  );
});

test('with a limit of their rate, requests of one device over it are refused, and those of others are not', async () => {
  const limits = { perSecond: 20 };
  const strict = createShadows(
    { store, publish: async () => {}, logger: pino({ level: 'silent' }), now: () => now },
    limits,
  );
  const ask = async (device: string) => {
    await strict.update(device, undefined, bytes({ state: {} }));
  };
  for (let n = 0; n < 20; n++) await ask('gw1');
  await expect(ask('gw1')).rejects.toMatchObject({ code: 429 });
  await ask('gw2');
  now += 50;
  await ask('gw1');
});
