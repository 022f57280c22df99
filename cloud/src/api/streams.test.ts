import { request } from 'node:http';
import { expect, test } from 'vitest';
import { createControl } from './control.fixture.ts';

test('an event stream ends when the key that opened it expires', async () => {
  const control = await createControl();
  const origin = await control.listen();
  const { key } = await control.access.create({ name: 'short', role: 'viewer', ttlMs: 1_000, by: 'test' });
  const ended = await new Promise<string>((resolve, reject) => {
    let text = '';
    request(`${origin}/api/v1/events`, { headers: { authorization: `Bearer ${key}` } }, (response) => {
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve(text));
    })
      .on('error', reject)
      .end();
  });
  expect(ended).toContain(': watching');
  await control.close();
});
