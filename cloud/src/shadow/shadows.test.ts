import type { JsonObject } from '@weir/protocols';
import pino from 'pino';
import { beforeEach, describe, expect, test } from 'vitest';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { createShadows, type Shadows } from './shadows.ts';

const PREFIX = '$aws/things/gw1/shadow/name/weir';
const SECONDS = 1_700_000_000;

let store: Store;
let shadows: Shadows;
let told: [suffix: string, body: JsonObject][];

beforeEach(() => {
  store = createMemoryStore();
  told = [];
  const publish = async (topic: string, payload: string) => {
    told.push([topic.slice(PREFIX.length + 1), JSON.parse(payload)]);
  };
  shadows = createShadows({ store, publish, logger: pino({ level: 'silent' }), now: () => SECONDS * 1000 });
});

const bytes = (body: unknown) => new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));
const update = (body: unknown) => shadows.request('gw1', 'weir', 'update', bytes(body));
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
      'another version',
      () => update({ state: { reported: {} }, version: 7, clientToken: 't' }),
      'update/rejected',
      { code: 409, message: 'Version conflict', clientToken: 't' },
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
    expect(told[0]![1]).toMatchObject({ code: 400 });
  });
});

test('updates at once are merged one after another, none is lost', async () => {
  await Promise.all(Array.from({ length: 10 }, (_, n) => update({ state: { reported: { [`k${n}`]: n } } })));
  const document = await shadows.get('gw1', 'weir');
  expect(Object.keys((document.state as JsonObject).reported as JsonObject).length).toBe(10);
  expect(document.version).toBe(10);
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
  expect(told.filter(([, { code }]) => code === 429).length).toBe(2);
});
