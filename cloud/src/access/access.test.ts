import { randomBytes } from 'node:crypto';
import pino from 'pino';
import { beforeEach, expect, test } from 'vitest';
import { createMemoryStore } from '../store/memory.ts';
import { type Store, StoreError } from '../store/store.ts';
import type { Access } from './access.ts';
import { firstAdminKey, localKey, replaceLocalKey } from './first-keys.ts';
import { openAccess } from './stored-access.ts';

const MASTER_KEY = Buffer.alloc(32, 7);
const DAY_MS = 86_400_000;

let store: Store;
let now: number;
let access: Access;

const open = () =>
  openAccess(
    { store, random: randomBytes, now: () => now, logger: pino({ level: 'silent' }) },
    { masterKey: MASTER_KEY },
  );
beforeEach(async () => {
  store = createMemoryStore();
  now = 1_800_000_000_000;
  access = await open();
});

const begun: unknown[] = [];
const ports = () => ({
  access,
  audit: {
    begin: async (attempt: unknown) => String(begun.push(attempt)),
    end: async () => {},
  },
});

const shownBy = (key: string) => access.authenticate(`Bearer ${key}`);

test('a key is known by its secret, also after a restart, and the store does not have it', async () => {
  const { id, key, credentials } = await access.create({ name: 'ci', role: 'operator', by: 'anna' });
  expect(key).toMatch(/^wk[0-9a-f]{16}\.[\w-]{43}$/);
  const kept = JSON.stringify((await store.query({ table: 'api-key', partition: 'all' })).items);
  for (const secret of [key.split('.')[1]!, credentials.secretAccessKey]) expect(kept).not.toContain(secret);
  access = await open();
  expect(shownBy(key)).toEqual({ id, name: 'ci', role: 'operator' });
  expect(access.credentialsOf(credentials.accessKeyId)).toEqual({
    secretAccessKey: credentials.secretAccessKey,
    principal: { id, name: 'ci', role: 'operator' },
  });
});

test.each([
  ['nothing', undefined, 'api-key-missing'],
  ['another scheme', (key: string) => `Basic ${key}`, 'api-key-wrong'],
  ['no scheme', (key: string) => key, 'api-key-wrong'],
  ['an empty key', () => 'Bearer ', 'api-key-wrong'],
  ['another secret', (key: string) => `Bearer ${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`, 'api-key-wrong'],
  ['more behind it', (key: string) => `Bearer ${key}x`, 'api-key-wrong'],
  ['the id alone', (key: string) => `Bearer ${key.split('.')[0]}`, 'api-key-wrong'],
  ['an id that nobody has', (key: string) => `Bearer wk${'0'.repeat(16)}.${key.split('.')[1]}`, 'api-key-wrong'],
  ['the key, in small letters', (key: string) => `bearer ${key}`, undefined],
])('%s', async (_, headerOf, fault) => {
  const { id, key } = await access.create({ name: 'ci', role: 'viewer', by: 'anna' });
  const found = access.authenticate(headerOf?.(key));
  if (fault === undefined) expect(found).toMatchObject({ id });
  else expect(found).toBe(fault);
});

test('a key that is revoked is refused at once in both forms, and for ever; those who listen are told', async () => {
  const ended: string[] = [];
  access.onEnd((id) => ended.push(id));
  const { id, key, credentials } = await access.create({ name: 'ci', role: 'viewer', by: 'anna' });
  const revoking = access.revoke('ci');
  expect(shownBy(key)).toBe('api-key-revoked');
  expect(access.credentialsOf(credentials.accessKeyId)).toBeUndefined();
  await revoking;
  expect(ended).toEqual([id]);
  await access.revoke(id);
  expect(ended).toEqual([id]);
  access = await open();
  expect(shownBy(key)).toBe('api-key-revoked');
  await expect(access.revoke('nobody')).rejects.toMatchObject({ code: 'api-key-unknown' });
});

test('a revocation that could not be kept says so, and can be asked for again', async () => {
  const { id, key } = await access.create({ name: 'ci', role: 'viewer', by: 'anna' });
  const write = store.write.bind(store);
  store.write = () => Promise.reject(new StoreError('io', 'the disk is full'));
  await expect(access.revoke('ci')).rejects.toMatchObject({ code: 'io' });
  store.write = write;
  await access.revoke(id);
  access = await open();
  expect(shownBy(key)).toBe('api-key-revoked');
});

test('a key with an end ends then, in both forms; its name is free again', async () => {
  const { key, credentials } = await access.create({ name: 'ci', role: 'viewer', ttlMs: DAY_MS, by: 'anna' });
  const again = access.create({ name: 'ci', role: 'viewer', by: 'anna' });
  await expect(again).rejects.toMatchObject({ code: 'api-key-exists' });
  now += DAY_MS - 1;
  expect(shownBy(key)).toMatchObject({ name: 'ci' });
  now += 1;
  expect(shownBy(key)).toBe('api-key-expired');
  expect(access.credentialsOf(credentials.accessKeyId)).toBeUndefined();
  const next = await access.create({ name: 'ci', role: 'viewer', by: 'anna' });
  expect(shownBy(next.key)).toMatchObject({ name: 'ci' });
});

test('when a key was used last is kept to ten minutes, not with each request', async () => {
  const { id } = await access.create({ name: 'ci', role: 'viewer', by: 'anna' });
  let writes = 0;
  const write = store.write.bind(store);
  store.write = (changes) => {
    writes += 1;
    return write(changes);
  };
  for (let n = 0; n < 1_000; n++) {
    access.used(id);
    now += 1_000;
  }
  expect(writes).toBe(2);
  expect((await open()).list()).toMatchObject([{ id, lastUsedAt: now - 400_000 }]);
});

test('keys are bounded: those that have ended go first, of which the last are told as such for 90 days', async () => {
  const old = await access.create({ name: 'old', role: 'viewer', by: 'anna' });
  await access.revoke('old');
  now += 91 * DAY_MS;
  for (let n = 0; n < 999; n++) await access.create({ name: `k${n}`, role: 'viewer', by: 'anna' });
  expect(shownBy(old.key)).toBe('api-key-wrong');
  await access.create({ name: 'last', role: 'viewer', by: 'anna' });
  await expect(access.create({ name: 'over', role: 'viewer', by: 'anna' })).rejects.toMatchObject({
    code: 'limit-exceeded',
  });
  await access.revoke('k7');
  expect(await access.create({ name: 'over', role: 'viewer', by: 'anna' })).toMatchObject({ name: 'over' });
});

test('of two who ask for one name at once, one gets it', async () => {
  const both = [1, 2].map(() => access.create({ name: 'ci', role: 'viewer', by: 'anna' }));
  expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
});

test('what the hub signs with is nobody else’s, and not kept', async () => {
  const { accessKeyId } = access.own;
  expect(access.credentialsOf(accessKeyId)).toMatchObject({ principal: { internal: true } });
  expect((await open()).credentialsOf(accessKeyId)).toBeUndefined();
  expect(access.list()).toEqual([]);
});

test('a new hub makes one admin key to print, and another only when it is asked to', async () => {
  const first = (await firstAdminKey(ports(), false))!;
  expect(first).toMatchObject({ role: 'admin', createdBy: 'hub' });
  expect(await firstAdminKey(ports(), false)).toBeUndefined();
  const second = (await firstAdminKey(ports(), true))!;
  expect(begun).toMatchObject([{ by: { id: 'hub' } }, { body: expect.stringContaining('first-admin') }]);
  expect(shownBy(first.key)).toBe('api-key-revoked');
  expect(shownBy(second.key)).toMatchObject({ role: 'admin' });
});

test('the local key stays from start to start; revoking it gives another, so that nobody is locked out', async () => {
  const key = await localKey(ports(), undefined);
  expect(await localKey(ports(), key)).toBe(key);
  const written: string[] = [];
  const write = async (next: string) => void written.push(next);
  replaceLocalKey(ports(), key, write, (error) => {
    throw error;
  });
  await access.revoke('local');
  await expect.poll(() => written.length).toBe(1);
  expect(shownBy(key)).toBe('api-key-revoked');
  expect(shownBy(written[0]!)).toMatchObject({ name: 'local', role: 'admin' });
  await access.revoke('local');
  await expect.poll(() => written.length).toBe(2);
  // A file of a version before this one, at the next start.
  access = await open();
  const other = await localKey(ports(), 'some-old-key-of-another-form');
  expect(shownBy(other)).toMatchObject({ name: 'local' });
  expect(shownBy(written[1]!)).toBe('api-key-revoked');
});
