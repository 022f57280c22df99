import { request as httpRequest } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Control, createControl } from './control.fixture.ts';

let control: Control;
let clock: { now: number };
beforeEach(async () => {
  clock = { now: 1_800_000_000_000 };
  const limits = {
    perAddress: { burst: 60, perMinute: 60 },
    perKey: { burst: 40, perMinute: 60 },
    failures: { burst: 3, perMinute: 6 },
  };
  control = await createControl({ clock, limits });
});
afterEach(() => control.close());

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

function ask(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, payload?: object, key = control.apiKey) {
  const headers = bearer(key);
  return control.app.inject({ method, url: `/api/v1${path}`, headers, ...(payload !== undefined && { payload }) });
}

const entries = async (query = '') => (await ask('GET', `/audit${query}`)).json().items;

describe('every change is in the audit log: by whom, from where, what, and how it ended', () => {
  test('what was done and what was refused; what was only looked at is not', async () => {
    await ask('POST', '/groups', { name: 'ovens' });
    await ask('POST', '/groups', { name: 'ovens' });
    await ask('GET', '/groups');
    await ask('POST', '/groups', { name: 'a/b' });
    expect(await entries()).toMatchObject([
      { what: 'POST /api/v1/groups', outcome: 'refused', status: 409, code: 'group-exists' },
      {
        ...{ what: 'POST /api/v1/groups', target: '/api/v1/groups', body: '{"name":"ovens"}', from: '127.0.0.1' },
        ...{ outcome: 'done', status: 201, by: { name: 'test' } },
      },
    ]);
  });

  test('one that cannot be written down is not made', async () => {
    const write = control.store.write.bind(control.store);
    control.store.write = (changes) =>
      changes.some((each) => 'put' in each && each.put.table === 'audit')
        ? Promise.reject(new Error('the disk is full'))
        : write(changes);
    expect((await ask('POST', '/groups', { name: 'ovens' })).statusCode).toBe(500);
    control.store.write = write;
    expect((await ask('GET', '/groups')).json().items).toEqual([]);
  });

  test('who was not let is there, too, and can be asked for', async () => {
    const { key } = (await ask('POST', '/api-keys', { name: 'ben', role: 'viewer' })).json();
    expect((await ask('POST', '/groups', { name: 'x' }, key)).statusCode).toBe(403);
    await ask('GET', '/groups', undefined, 'nonsense');
    expect(await entries('?kind=denied')).toMatchObject([
      { outcome: 'denied', status: 401, code: 'api-key-wrong', target: '/api/v1/groups' },
      { outcome: 'denied', status: 403, code: 'role-too-low', by: { name: 'ben' } },
    ]);
    expect(await entries('?by=ben')).toHaveLength(1);
  });

  test('no secret is in it, nor in the store: of keys, channels and tokens', async () => {
    const made = (await ask('POST', '/api-keys', { name: 'ci', role: 'operator' })).json();
    await ask('POST', '/groups', { name: 'ovens' });
    const { token } = (await ask('POST', '/tokens', { groups: ['ovens'] })).json();
    const url = 'https://hooks.example.com/services/T0/hunter2';
    const { secret } = (await ask('POST', '/channels', { name: 'hook', kind: 'webhook', url })).json();
    await ask('POST', `/groups?authorization=${made.key}`, { name: made.key.split('.')[1].slice(0, 40) });
    await ask('GET', '/groups', undefined, `${made.key}x`);
    const text = JSON.stringify(await entries());
    expect(text).toContain('hooks.example.com');
    const secrets = [made.key.split('.')[1], made.secretAccessKey, token, secret, 'hunter2', made.key.slice(25, 60)];
    for (const each of secrets) {
      expect(each).toMatch(/.{7}/);
      expect(text).not.toContain(each);
    }
  });
});

describe('who asks too often waits', () => {
  test('a key, which is told how long; another one goes on', async () => {
    const { key } = (await ask('POST', '/api-keys', { name: 'ci', role: 'viewer' })).json();
    for (let n = 0; n < 40; n++) expect((await ask('GET', '/groups', undefined, key)).statusCode).toBe(200);
    const refused = await ask('GET', '/groups', undefined, key);
    expect([refused.statusCode, refused.headers['retry-after'], refused.json().error.code]).toEqual([
      429,
      '1',
      'too-many-requests',
    ]);
    expect((await ask('GET', '/groups')).statusCode).toBe(200);
    clock.now += 1_000;
    expect((await ask('GET', '/groups', undefined, key)).statusCode).toBe(200);
  });

  test('an address, also without a key', async () => {
    const health = () => control.app.inject('/api/v1/health');
    for (let n = 0; n < 60; n++) expect((await health()).statusCode).toBe(200);
    expect((await health()).statusCode).toBe(429);
    clock.now += 1_000;
    expect((await health()).statusCode).toBe(200);
  });

  test('one that shows no good key, soon; whoever shows one from there does not', async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 5; n++) statuses.push((await ask('GET', '/groups', undefined, 'nonsense')).statusCode);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    const refused = await ask('GET', '/groups', undefined, 'nonsense');
    expect(refused.headers['retry-after']).toBe('10');
    expect((await ask('GET', '/groups')).statusCode).toBe(200);
    clock.now += 10_000;
    expect((await ask('GET', '/groups', undefined, 'nonsense')).statusCode).toBe(401);
  });
});

test('a page of another origin is told nothing that would let it read answers, and all are for no cache', async () => {
  const preflight = await control.app.inject({
    method: 'OPTIONS',
    url: '/api/v1/groups',
    headers: { origin: 'https://evil.example.com', 'access-control-request-method': 'POST' },
  });
  const read = await ask('GET', '/groups');
  const health = await control.app.inject('/api/v1/health');
  for (const { headers } of [preflight, read, health]) {
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
    });
  }
});

test('an event stream ends with the key that opened it, and only that', async () => {
  const origin = await control.listen();
  const watch = async (name: string) => {
    const { key, id } = (await ask('POST', '/api-keys', { name, role: 'viewer' })).json();
    const state = { ended: false };
    await new Promise<void>((resolve, reject) => {
      httpRequest(`${origin}/api/v1/events`, { headers: bearer(key) }, (response) => {
        response.on('data', () => resolve());
        response.on('end', () => {
          state.ended = true;
        });
      })
        .on('error', reject)
        .end();
    });
    return { id, state };
  };
  const [anna, ben] = [await watch('anna'), await watch('ben')];
  expect((await ask('DELETE', `/api-keys/${anna!.id}`)).statusCode).toBe(200);
  await expect.poll(() => anna!.state.ended).toBe(true);
  expect(ben!.state.ended).toBe(false);
});
