import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SECRETS_PER_GROUP_MAX, secretBinding } from '@weir/protocols';
import { openBox } from '@weir/runtime';
import { beforeEach, describe, expect, test } from 'vitest';
import { createGroup, setGroup } from '../fleet/groups.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { AtRest, openSecretsKey } from './at-rest.ts';
import { Secrets } from './secrets.ts';

const VALUE = 'hunter2-hunter2';
const KEY = randomBytes(32);
const device = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

let store: Store;
let groups: string[];
let changed: string[];
let secrets: Secrets;

const secretsWith = (key: Uint8Array) =>
  new Secrets({
    store,
    atRest: new AtRest(key, randomBytes),
    now: () => 1_000,
    groupsOf: async (id) => (id === 'gw1' ? groups : undefined),
    changed: async (group) => void changed.push(group),
  });

beforeEach(async () => {
  store = createMemoryStore();
  groups = ['ovens', 'site'];
  changed = [];
  secrets = secretsWith(KEY);
  for (const group of ['ovens', 'site', 'other']) await createGroup(store, group, 0);
});

const opened = async () => {
  const { secrets: sealed } = await secrets.answer('gw1', device.publicKey);
  return Object.fromEntries(
    sealed.map((each) => [each.name, openBox(each, device.privateKey, secretBinding('gw1', each))]),
  );
};

test('what is set is told to the devices of its group, and to nobody else', async () => {
  await secrets.set('ovens', 'token', VALUE);
  await secrets.set('other', 'theirs', 'something else');
  expect(changed).toEqual(['ovens', 'other']);
  expect(await opened()).toEqual({ token: VALUE });
  expect(await secrets.value('gw1', 'token')).toBe(VALUE);
  expect(await secrets.value('gw1', 'theirs')).toBeUndefined();
  expect(await secrets.value('other/mean', 'theirs')).toBe('something else');
  expect(await secrets.value('gw9', 'token')).toBeUndefined();
});

test('neither store nor lists nor what a device is sent has the value in clear', async () => {
  await secrets.set('ovens', 'token', VALUE);
  const items = (await store.query({ table: 'group', partition: 'ovens', from: 'secret/', to: 'secret0' })).items;
  const answer = await secrets.answer('gw1', device.publicKey);
  const told = JSON.stringify([items, await secrets.list('ovens'), await secrets.ofDevice('gw1'), answer]);
  expect(told).toContain('token');
  for (const form of [VALUE, Buffer.from(VALUE).toString('base64').slice(0, 12)]) expect(told).not.toContain(form);
});

test('the group with the higher priority gives the value, then the one that was set last; what lost is told', async () => {
  await secrets.set('site', 'token', 'of the site');
  await secrets.set('ovens', 'token', 'of the ovens');
  expect(await opened()).toEqual({ token: 'of the ovens' });
  await secrets.set('site', 'token', 'of the site anew');
  expect(await secrets.ofDevice('gw1')).toMatchObject([{ name: 'token', group: 'site', overridden: ['ovens'] }]);
  await setGroup(store, 'ovens', { priority: 1 });
  expect(await opened()).toEqual({ token: 'of the ovens' });
});

test('the revision changes with every change, and is away when there is nothing', async () => {
  const seen = [await secrets.revision('gw1')];
  await secrets.set('ovens', 'token', VALUE);
  seen.push(await secrets.revision('gw1'));
  await secrets.set('ovens', 'token', VALUE);
  seen.push(await secrets.revision('gw1'));
  expect((await secrets.answer('gw1', device.publicKey)).revision).toBe(seen[2]);
  await secrets.remove('ovens', 'token');
  expect(await secrets.revision('gw1')).toBeUndefined();
  // An old sealed one is of no use: numbers never come again.
  await secrets.set('ovens', 'token', VALUE);
  seen.push(await secrets.revision('gw1'));
  expect(new Set(seen).size).toBe(4);
});

test('what lies in the store opens as nothing else, and under no other key', async () => {
  await secrets.set('ovens', 'token', VALUE);
  await expect(secretsWith(randomBytes(32)).value('gw1', 'token')).rejects.toMatchObject({ code: 'secret-damaged' });
  const [item] = (await store.query({ table: 'group', partition: 'ovens', from: 'secret/', to: 'secret0' })).items;
  const moved = { ...(item!.json as object), name: 'else' };
  await store.write([{ put: { table: 'group', partition: 'ovens', sort: 'secret/else' }, json: moved }]);
  await expect(secrets.value('gw1', 'else')).rejects.toMatchObject({ code: 'secret-damaged' });
});

test('a group holds so many and no more; one of them can still be set anew', async () => {
  for (let n = 0; n < SECRETS_PER_GROUP_MAX; n++) await secrets.set('ovens', `s${n}`, VALUE);
  await expect(secrets.set('ovens', 'more', VALUE)).rejects.toMatchObject({ code: 'limit-exceeded' });
  await secrets.set('ovens', 's0', 'another value');
  expect((await opened()).s0).toBe('another value');
});

test.each([
  ['set', () => secrets.set('none', 'token', VALUE), 'group-unknown'],
  ['list', () => secrets.list('none'), 'group-unknown'],
  ['remove', () => secrets.remove('ovens', 'none'), 'secret-unknown'],
])('%s of what is not there says so', async (_, run, code) => {
  await expect(run()).rejects.toMatchObject({ code });
});

describe('the key of the hub', () => {
  test('is made once, for its owner alone, and a damaged one is told', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-master-'));
    try {
      const made = await openSecretsKey(folder, randomBytes);
      expect(Buffer.from(await openSecretsKey(folder, randomBytes)).equals(Buffer.from(made))).toBe(true);
      const file = join(folder, 'secrets.key');
      expect(statSync(file).mode & 0o777).toBe(0o600);
      writeFileSync(file, 'c2hvcnQ=');
      await expect(openSecretsKey(folder, randomBytes)).rejects.toMatchObject({ code: 'secrets-key-damaged' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
