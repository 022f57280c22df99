import { WEIR_SHADOW } from '@weir/protocols';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Control, createControl, enrolDevice } from '../control.fixture.ts';

const VALUE = 'hunter2-hunter2';
let control: Control;
beforeEach(async () => {
  control = await createControl();
  await control.fleet.createGroup('ovens');
});
afterEach(() => control.close());

async function ask(method: 'GET' | 'PUT' | 'DELETE', path: string, payload?: object) {
  const headers = { authorization: `Bearer ${control.apiKey}` };
  const answer = await control.app.inject({ method, url: `/api/v1${path}`, headers, ...(payload && { payload }) });
  return { status: answer.statusCode, body: answer.json() };
}

const hint = async () => {
  const document = await control.downlink.getShadow('gw1', WEIR_SHADOW);
  return (document?.state as { desired?: { secrets?: { revision: string } } } | undefined)?.desired?.secrets;
};

test('a secret is set, told to its device by a revision in the shadow, shown without its value, and removed', async () => {
  await enrolDevice(control.fleet, 'gw1', ['ovens']);
  expect(await ask('PUT', '/groups/ovens/secrets/token', { value: VALUE })).toMatchObject({
    status: 200,
    body: { group: 'ovens', name: 'token', version: 1 },
  });
  const { revision } = await vi.waitFor(async () => (await hint()) ?? Promise.reject(new Error('no hint yet')));
  const pending = await ask('GET', '/devices/gw1/secrets');
  expect(pending.body.items).toMatchObject([{ name: 'token', group: 'ovens', overridden: [], state: 'pending' }]);
  await control.downlink.updateShadow('gw1', WEIR_SHADOW, { state: { reported: { secrets: { revision } } } });
  const delivered = await ask('GET', '/devices/gw1/secrets');
  expect(delivered.body.items).toMatchObject([{ state: 'delivered' }]);
  const listed = await ask('GET', '/groups/ovens/secrets');
  const told = JSON.stringify([pending, delivered, listed, await control.downlink.getShadow('gw1', WEIR_SHADOW)]);
  expect(told).not.toContain(VALUE);

  expect((await ask('DELETE', '/groups/ovens/secrets/token')).status).toBe(200);
  await vi.waitFor(async () => expect(await hint()).toBeUndefined());
  expect((await ask('DELETE', '/groups/ovens/secrets/token')).body.error.code).toBe('secret-unknown');
});

test.each([
  [{ value: 'short' }, 'request-invalid'],
  [{ value: 'x'.repeat(4_097) }, 'request-invalid'],
  [{ value: 'with\0zero-in-it' }, 'request-invalid'],
  [{}, 'request-invalid'],
])('a value that cannot be one is refused, and not repeated: %j', async (body, code) => {
  const answer = await ask('PUT', '/groups/ovens/secrets/token', body);
  expect([answer.status, answer.body.error.code]).toEqual([400, code]);
  if ('value' in body) expect(JSON.stringify(answer.body)).not.toContain(body.value);
});
