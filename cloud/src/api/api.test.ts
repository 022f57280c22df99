import { request as httpRequest } from 'node:http';
import { columnsOf } from '@weir/protocols';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { episodeChanges, raised } from '../alerts/episodes.ts';
import { AT, letterReport, readingOf } from '../dead-letters/dead-letter.fixture.ts';
import { DeviceLetters } from '../dead-letters/device-letters.ts';
import { DeviceItems } from '../gaps/device-items.ts';
import { historyChanges, spanChange } from '../store/history.ts';
import { Latest } from '../store/latest.ts';
import { type Control, createControl, enrolDevice, ruleBytes, transition, transitionEvent } from './control.fixture.ts';

let control: Control;
beforeEach(async () => {
  control = await createControl();
});
afterEach(() => control.close());

interface Answer {
  status: number;
  body: never;
}

async function ask(
  method: string,
  path: string,
  payload?: object,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await control.app.inject({
    method: method as 'GET',
    url: `/api/v1${path}`,
    headers: { authorization: `Bearer ${control.apiKey}`, ...headers },
    ...(payload === undefined ? {} : { payload }),
  });
  return { status: response.statusCode, body: (response.body === '' ? undefined : response.json()) as never };
}

const upload = (bytes: Uint8Array) =>
  ask('POST', '/bundles', Buffer.from(bytes), { 'content-type': 'application/octet-stream' });

describe('who may ask', () => {
  test.each([
    ['no key', {}, 'api-key-missing'],
    ['a wrong key', { authorization: 'Bearer nonsense' }, 'api-key-wrong'],
    ['the key in another scheme', { authorization: 'Basic nonsense' }, 'api-key-wrong'],
  ])('%s: refused on every route but health and the document', async (_what, headers, code) => {
    const { paths } = (await control.app.inject('/api/v1/openapi.json')).json() as { paths: Record<string, object> };
    const open: string[] = [];
    for (const [path, methods] of Object.entries(paths)) {
      for (const method of Object.keys(methods)) {
        const url = path.replaceAll(/\{\w+\}/g, 'x');
        const response = await control.app.inject({ method: method.toUpperCase() as 'GET', url, headers });
        if (response.statusCode !== 401) open.push(path);
        else expect(response.json().error.code).toBe(code);
      }
    }
    expect(open).toEqual(['/api/v1/health']);
    expect(Object.keys(paths).length).toBeGreaterThanOrEqual(20);
  });

  test.each([
    ['evil.example.com', 421],
    ['127.0.0.1.evil.example.com', 421],
    ['localhost:8080', 200],
    ['[::1]:8080', 200],
    ['127.0.0.1', 200],
  ])('a page that points its own name %s at this machine gets %i', async (host, status) => {
    expect((await ask('GET', '/groups', undefined, { host })).status).toBe(status);
  });

  test('health needs no key and says nothing else', async () => {
    expect((await control.app.inject('/api/v1/health')).json()).toEqual({ status: 'ok' });
  });
});

describe('misuse is answered with what was wrong, where, and what to do', () => {
  test.each([
    ['POST', '/groups', { name: 'a/b' }, 400, 'request-invalid', 'name: '],
    ['POST', '/groups', { name: 'a', more: 1 }, 400, 'request-invalid', 'more'],
    ['POST', '/tokens', { groups: ['none'] }, 404, 'group-unknown', 'none'],
    ['POST', '/tokens', { groups: ['none'], ttl: 'soon' }, 400, 'request-invalid', 'ttl: '],
    ['POST', '/tokens', { groups: [], uses: 0 }, 400, 'request-invalid', 'uses: '],
    ['GET', '/devices/none', undefined, 404, 'device-unknown', 'none'],
    ['GET', '/devices?limit=9999', undefined, 400, 'request-invalid', 'limit: '],
    ['GET', '/devices/gw1/readings?from=yesterday', undefined, 400, 'request-invalid', 'from: '],
    ['POST', '/devices/none/commands', { name: 'open' }, 404, 'device-unknown', 'none'],
    ['POST', '/devices/gw1/commands', { name: 'a/b' }, 400, 'request-invalid', 'name: '],
    ['POST', '/devices/gw1/commands', { name: 'open', expires: '30d' }, 400, 'request-invalid', 'expires: '],
    ['GET', '/devices/gw1/commands/none', undefined, 404, 'command-unknown', 'none'],
    ['GET', '/dead-letters/none', undefined, 400, 'request-invalid', 'id: '],
    ['GET', '/dead-letters/0loyw3v28-1ee74576', undefined, 404, 'dead-letter-unknown', '0loyw3v28-1ee74576'],
    ['POST', '/dead-letters/replay', { ids: [] }, 400, 'request-invalid', 'ids: '],
    ['GET', '/alerts/none', undefined, 404, 'alert-unknown', 'none'],
    ['GET', '/alerts?state=burning', undefined, 400, 'request-invalid', 'state: '],
    ['PUT', '/groups/none/deployments/x', { hash: 'abc' }, 400, 'request-invalid', 'hash: '],
    ['PUT', '/groups/none/devices/gw1', undefined, 404, 'group-unknown', 'none'],
    ['POST', '/channels', { name: 'c', kind: 'pigeon' }, 400, 'request-invalid', 'kind: '],
    ['POST', '/channels', { name: 'c', kind: 'webhook', url: 'ftp://x' }, 400, 'channel-url-invalid', 'ftp'],
    ['DELETE', '/channels/none', undefined, 404, 'channel-unknown', 'none'],
    ['POST', '/bundles', { weir: 1 }, 400, 'bundle-missing', 'bundle'],
    ['GET', '/nothing', undefined, 404, 'route-unknown', '/api/v1/nothing'],
  ])('%s %s %j', async (method, path, payload, status, code, words) => {
    const { body, ...answer } = await ask(method, path, payload);
    expect(answer.status).toBe(status);
    expect(body).toEqual({
      error: { code, message: expect.stringContaining(words), remedy: expect.stringMatching(/\w+/) },
    });
  });

  test('a body that is no JSON, or too large, is refused in the same form', async () => {
    const headers = { authorization: `Bearer ${control.apiKey}`, 'content-type': 'application/json' };
    const send = (payload: string) => control.app.inject({ method: 'POST', url: '/api/v1/groups', headers, payload });
    expect((await send('{')).json()).toMatchObject({ error: { code: 'request-invalid', remedy: expect.any(String) } });
    expect((await send('{"__proto__":1}')).json()).toMatchObject({
      error: { message: expect.stringContaining('__proto__') },
    });
    headers['content-type'] = 'text/csv';
    expect((await send('name')).json()).toMatchObject({ error: { code: 'content-type-unsupported' } });
    headers['content-type'] = 'application/json';
    const large = await send(JSON.stringify({ name: 'x'.repeat(2_000_000) }));
    expect([large.statusCode, large.json().error.code]).toEqual([413, 'request-too-large']);
    const bundle = await upload(ruleBytes({ summary: 'x'.repeat(1_100_000) }));
    expect(bundle).toMatchObject({ status: 413, body: { error: { code: 'bundle-too-large' } } });
  });

  test('what is not the caller’s fault is a 5xx without inner workings', async () => {
    control.downlink.down = true;
    await ask('POST', '/groups', { name: 'ovens' });
    await enrolDevice(control.fleet, 'gw1', ['ovens']);
    expect(await ask('GET', '/devices/gw1')).toMatchObject({
      status: 502,
      body: { error: { code: 'downlink-unreachable' } },
    });
    vi.spyOn(control.fleet, 'groups').mockRejectedValue(new Error('secret detail'));
    const { status, body } = await ask('GET', '/groups');
    expect([status, JSON.stringify(body)]).toEqual([500, expect.not.stringContaining('secret detail')]);
  });
});

test('dead letters are listed, looked at whole, and asked to be run again: what was asked is shown until it is done', async () => {
  await ask('POST', '/groups', { name: 'ovens' });
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  const letters = new DeviceLetters('gw1', control.store);
  await letters.told(letterReport(1, { input: { kind: 'readings', count: 700, readings: [readingOf(1)] } }));
  await letters.told(
    letterReport(2, { input: { kind: 'event', handler: 'command', at: AT, value: '{"name":"open"}' } }),
  );
  await control.store.write(letters.changes());
  const { items } = (await ask('GET', '/dead-letters?function=mean&limit=5')).body as { items: { id: string }[] };
  expect(items).toMatchObject([
    { function: 'mean', version: '1.0.0', device: 'gw1', where: 'edge', handler: 'command', replays: 0 },
    { readings: 700, error: { kind: 'threw', message: 'TypeError: no mean', place: 'mean.ts:9:7' } },
  ]);
  const [command, readings] = items as [{ id: string }, { id: string }];
  expect((await ask('GET', `/dead-letters/${readings.id}`)).body).toMatchObject({
    stack: expect.stringContaining('at x'),
    input: [readingOf(1)],
  });
  expect((await ask('GET', `/dead-letters/${command.id}`)).body).toMatchObject({ value: '{"name":"open"}' });
  const asked = await ask('POST', '/dead-letters/replay', { ids: [readings.id] });
  expect(asked).toMatchObject({ status: 200, body: { items: [{ id: readings.id, asked: { what: 'replay' } }] } });
  expect((await ask('GET', '/devices/gw1/commands')).body).toMatchObject({
    items: [{ name: 'weir.replay-dead-letters', state: 'waiting' }],
  });
  expect(control.nudged).toEqual(['gw1']);
  expect((await ask('GET', '/devices/gw1')).body).toMatchObject({ deadLetters: { waiting: 2, dropped: 0 } });
});

test('a command is made for a device that is there, and can be looked at with what goes with it', async () => {
  await ask('POST', '/groups', { name: 'ovens' });
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  const command = { name: 'valve.open', payload: { percent: 40 }, function: 'interlock', expires: '5m' };
  const { status, body } = await ask('POST', '/devices/gw1/commands', command);
  const { id, createdAt, expiresAt } = body as { id: string; createdAt: number; expiresAt: number };
  expect([status, expiresAt - createdAt]).toEqual([201, 300_000]);
  const told = { id, device: 'gw1', name: 'valve.open', function: 'interlock', createdAt, expiresAt, state: 'waiting' };
  expect((await ask('GET', '/devices/gw1/commands')).body).toEqual({ items: [told] });
  expect((await ask('GET', `/devices/gw1/commands/${id}`)).body).toEqual({ ...told, payload: { percent: 40 } });
});

test('from token to running deployment: what an operator does, in order', async () => {
  expect((await ask('POST', '/groups', { name: 'ovens' })).status).toBe(201);
  const { body: token } = (await ask('POST', '/tokens', { groups: ['ovens'], ttl: '1h', tags: { site: 'north' } })) as {
    body: { token: string; joinUrl: string };
  };
  expect(token).toMatchObject({
    token: expect.stringMatching(/^weir1\.[\w-]{22}\.A{43}$/),
    joinUrl: 'https://127.0.0.1:8443',
  });
  const secret = token.token.split('.')[1]!;
  await control.fleet.enrol({ secret, device: 'gw1', certificateSerial: '01', now: Date.now() });

  const { body: bundle } = (await upload(ruleBytes())) as { body: { hash: string; name: string } };
  expect(bundle).toMatchObject({ kind: 'rule', name: 'oven-hot' });
  const put = await ask('PUT', '/groups/ovens/deployments/oven-hot', { hash: bundle.hash });
  expect(put).toMatchObject({ status: 200, body: { where: 'edge', version: '1' } });
  await control.fleet.reconcile('gw1');
  await control.downlink.updateShadow('gw1', 'weir', {
    state: {
      reported: {
        deployments: { 'oven-hot': { kind: 'rule', version: '1', hash: bundle.hash, state: 'running' } },
        health: { accepted: 5, refused: { empty: 1 }, waiting: 0, dropped: 0 },
      },
    },
  });
  await control.fleet.refused('gw1', 'version-unknown', 'a batch of version 9', new Uint8Array([1, 2]));
  expect((await ask('GET', '/devices/gw1')).body).toMatchObject({
    id: 'gw1',
    tags: { site: 'north' },
    deployments: [{ name: 'oven-hot', state: 'running', wanted: { group: 'ovens' } }],
    shadow: { reported: { health: { refused: { empty: 1 } } } },
    refused: { counts: { 'version-unknown': 1 }, last: [{ detail: 'a batch of version 9', head: 'AQI=' }] },
    latest: [],
  });
  expect((await ask('GET', '/groups/ovens')).body).toMatchObject({
    devices: ['gw1'],
    deployments: [{ name: 'oven-hot' }],
  });
  expect((await ask('GET', '/deployments?name=oven-hot')).body).toMatchObject({
    items: [{ device: 'gw1', state: 'running' }],
  });
  expect((await ask('DELETE', '/groups/ovens/deployments/oven-hot')).status).toBe(200);
  expect((await ask('DELETE', '/groups/ovens/devices/gw1')).status).toBe(200);
  expect((await ask('GET', '/groups/ovens')).body).toMatchObject({ devices: [], deployments: [] });
});

test('stored readings come in pages, and are counted', async () => {
  const readings = Array.from({ length: 5 }, (_, i) => ({
    sensor: 'oven1',
    metric: 'temperature',
    value: 80 + i,
    ts: 1000 + i,
  }));
  const chunk = { device: 'gw1', lane: 'live', epoch: 'e1', seq: 0, columns: columnsOf(readings) };
  const { changes, spanMs } = historyChanges(chunk);
  await control.store.write([...changes, spanChange('gw1', spanMs)]);
  const first = (await ask('GET', '/devices/gw1/readings?limit=3&sensor=oven1')).body as {
    items: { id: string }[];
    next: string;
  };
  expect(first.items.map(({ id }) => id)).toEqual(['gw1/live/e1/0', 'gw1/live/e1/1', 'gw1/live/e1/2']);
  const rest = await ask('GET', `/devices/gw1/readings?limit=3&after=${encodeURIComponent(first.next)}`);
  expect(rest.body).toMatchObject({ items: [{ ...readings[3] }, { ...readings[4] }] });
  expect((await ask('GET', '/devices/gw1/readings/count')).body).toEqual({ count: 5 });
  expect((await ask('GET', '/devices/gw1/readings/count?from=1001&to=1003')).body).toEqual({ count: 2 });
});

test('what is missing of a device is listed with its sums, and shown with the history it is missing in', async () => {
  await enrolDevice(control.fleet, 'gw1', []);
  const items = new DeviceItems('gw1', control.store);
  await items.take('live', { epoch: 'life.a', seq: 0, count: 10, at: 1 });
  await items.take('live', { epoch: 'life.a', seq: 30, count: 10, at: 2 });
  const about = { id: 'x', ts: 3, lane: 'live', epoch: 'life.a', reason: 'bytes' } as const;
  await items.tell({ type: 'gap', ...about, seq: 10, through: 25, count: 15, from: 1000, to: 2000 }, 4);
  await control.store.write(items.changes());

  const { body } = await ask('GET', '/devices/gw1/gaps?limit=1');
  const summary = {
    lanes: expect.arrayContaining([{ lane: 'live', dropped: 15, waiting: 5, unexplained: 0, ended: 0 }]),
  };
  expect(body).toMatchObject({ items: [{ seq: 25, through: 30, state: 'waiting' }], summary });
  const { next } = body as { next: string };
  const dropped = { seq: 10, through: 25, missing: 15, dropped: 15, state: 'dropped', reasons: { bytes: 15 } };
  const rest = await ask('GET', `/devices/gw1/gaps?after=${encodeURIComponent(next)}`);
  expect(rest.body).toMatchObject({ items: [dropped] });
  expect(rest.body).not.toHaveProperty('next');
  expect((await ask('GET', '/devices/gw1')).body).toMatchObject({ gaps: summary });
  expect((await ask('GET', '/devices/gw1/readings?from=1500')).body).toMatchObject({ items: [], gaps: [dropped] });
  expect((await ask('GET', '/devices/gw1/readings?from=2500')).body).toEqual({ items: [] });
  expect((await ask('GET', '/devices/gw9/gaps')).status).toBe(404);
  const sums = { device: 'gw1', dropped: 15, waiting: 5, unexplained: 0, ended: 0 };
  expect((await ask('GET', '/gaps')).body).toEqual({ items: [sums] });
});

test('the newest reading of each series is given by itself', async () => {
  const latest = new Latest('gw1');
  const old = { sensor: 'oven2', metric: 'temperature', value: 79, ts: 900 };
  const fresh = [
    { ...old, value: 81, ts: 1000 },
    { sensor: 'oven1', metric: 'open', value: true, ts: 1000 },
  ];
  latest.take(columnsOf([old, ...fresh]), 1_001);
  await control.store.write([latest.change()]);
  expect((await ask('GET', '/devices/gw1/latest')).body).toEqual({ items: [fresh[1], fresh[0]] });
  expect((await ask('GET', '/devices/gw2/latest')).body).toEqual({ items: [] });
});

test('readings of a function that gathers are asked for as those of a device, which it is not', async () => {
  const readings = [{ sensor: 'mean', metric: 'temperature', value: 7, ts: 1000 }];
  const chunk = { device: 'ovens/mean', lane: 'cloud', epoch: 'hub', seq: 0, columns: columnsOf(readings) };
  await control.store.write(historyChanges(chunk).changes);
  const path = `/devices/${encodeURIComponent('ovens/mean')}`;
  expect((await ask('GET', `${path}/readings`)).body).toMatchObject({ items: [{ id: 'ovens/mean/cloud/hub/0' }] });
  expect((await ask('GET', `${path}/readings/count`)).body).toEqual({ count: 1 });
  const unknown = await ask('GET', path);
  expect(unknown).toMatchObject({ status: 404, body: { error: { code: 'device-unknown' } } });
  expect(JSON.stringify(unknown.body)).toContain('weir deploy status --device ovens/mean');
});

test('the longest name that a device can have is taken', async () => {
  expect((await ask('GET', `/devices/${'d'.repeat(128)}/readings`)).body).toEqual({ items: [] });
});

test('alerts are listed newest first, by state, and shown with their transitions', async () => {
  const second = transition({ episode: 'episode0002', startedAt: 1_795_000_000_001, state: 'resolved' });
  const { changes } = await episodeChanges(control.store, raised('edge', [transition(), second]), 1);
  await control.store.write(changes);
  const list = async (query: string) =>
    ((await ask('GET', `/alerts${query}`)).body as { items: { episode: string }[] }).items.map(
      ({ episode }) => episode,
    );
  expect(await list('')).toEqual(['episode0002', 'episode0001']);
  expect(await list('?state=firing')).toEqual(['episode0001']);
  expect((await ask('GET', '/alerts/episode0001')).body).toMatchObject({
    state: 'firing',
    transitions: [transition()],
  });
});

test('the OpenAPI document names every route with its parameters, bodies and answers', async () => {
  const document = (await control.app.inject('/api/v1/openapi.json')).json();
  expect(document.openapi).toBe('3.1.0');
  const put = document.paths['/api/v1/groups/{group}/deployments/{name}'].put;
  expect(put.parameters.map(({ name }: { name: string }) => name)).toEqual(['group', 'name']);
  expect(put.requestBody.content['application/json'].schema.required).toEqual(['hash']);
  expect(put.responses['200'].content['application/json'].schema.properties).toHaveProperty('order');
  for (const methods of Object.values<Record<string, { summary?: string }>>(document.paths)) {
    for (const route of Object.values(methods)) expect(route.summary).toMatch(/\w+/);
  }
});

test('metrics count what happens, and name no device; they need the key, and the name of this machine', async () => {
  control.events.emit(transitionEvent(1));
  control.events.emit({ type: 'presence', at: 1, device: 'gw1', connected: true });
  control.events.emit({ type: 'refused', at: 1, device: 'gw1', reason: 'truncated' });
  await control.notifier.admin.add('here', { kind: 'terminal' });
  await control.notifier.start();
  const { changes } = await episodeChanges(control.store, raised('edge', [transition()]), 1);
  await control.store.write(changes);
  control.notifier.wake();
  await vi.waitFor(() => expect(control.lines).toHaveLength(1), 3000);
  const headers = { authorization: `Bearer ${control.apiKey}` };
  const { body } = await control.app.inject({ url: '/metrics', headers });
  expect(body).toContain(
    'weir_alert_transitions_total{state="firing",reason="threshold",severity="warning",origin="edge"} 1',
  );
  expect(body).toContain('weir_refused_messages_total{reason="truncated"} 1');
  expect(body).toContain('weir_notifications_waiting{channel="here"} 0');
  expect(body).toContain('weir_notifications_delivered_total{channel="here"} 1');
  expect(body).toContain('process_cpu_seconds_total');
  expect(body).not.toContain('gw1');
  expect((await control.app.inject('/metrics')).statusCode).toBe(401);
  const rebound = await control.app.inject({ url: '/metrics', headers: { ...headers, host: 'evil.example.com' } });
  expect(rebound.statusCode).toBe(421);
});

test('events stream as they happen, only those asked for, and a hub that closes ends the stream', async () => {
  const url = new URL(await control.listen());
  const text: string[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    const request = httpRequest(
      {
        host: url.hostname,
        port: url.port,
        path: '/api/v1/events?types=transition',
        headers: { authorization: `Bearer ${control.apiKey}` },
      },
      (response) => {
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => text.push(chunk)).on('end', resolve);
      },
    );
    request.on('error', reject).end();
  });
  await vi.waitFor(() => expect(text.join('')).toContain('watching'), 3000);
  control.events.emit({ type: 'presence', at: 1, device: 'gw1', connected: true });
  control.events.emit(transitionEvent(2));
  await vi.waitFor(() => expect(text.join('')).toContain('event: transition\ndata: {'), 3000);
  expect(text.join('')).not.toContain('presence');
  await control.app.close();
  await ended;
});
