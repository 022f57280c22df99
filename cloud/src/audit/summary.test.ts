import { expect, test } from 'vitest';
import { summaryOf } from './summary.ts';

const KEY = 'wk0123456789abcdef.Zm9vYmFyYmF6cXV4MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG0';

test.each<[string, unknown, string | undefined]>([
  ['nothing', undefined, undefined],
  ['a small body', { name: 'ovens', uses: 2, replace: false }, '{"name":"ovens","uses":2,"replace":false}'],
  ['bytes', new TextEncoder().encode('abc'), expect.stringMatching(/^3 bytes, sha256 ba7816bf/)],
  ['no bytes', new Uint8Array(), undefined],
  ['a hash', { hash: 'a'.repeat(64) }, `{"hash":"${'a'.repeat(64)}"}`],
  ['a long text', { text: 'word '.repeat(40) }, expect.stringMatching(/^.{60,90}$/)],
  [
    'a long body',
    { list: Array.from({ length: 100 }, () => 'some words in a row') },
    expect.stringMatching(/^.{400}$/),
  ],
  ['what is deep', { a: { b: { c: { d: { e: 1 } } } } }, '{"a":{"b":{"c":{"d":"…"}}}}'],
])('%s is told in a few words', (_, body, summary) => {
  expect(summaryOf(body, '/api/v1/groups')).toEqual(summary);
});

test.each<[string, unknown, string?]>([
  ['a password', { password: 'hunter2' }],
  ['a secret by its name, within', { a: [{ clientSecret: 'hunter2' }] }],
  ['whatever is set as a secret', { name: 'x', anything: 'hunter2' }, '/api/v1/groups/g/secrets/x'],
  ['a value', { value: 'hunter2' }],
  ['an API key under any name', { note: KEY }],
  ['the path of a webhook', { url: 'https://hooks.example.com/services/hunter2' }],
  ['who logs in within an address', { url: 'https://me:hunter2@hooks.example.com/' }],
  ['the words of a configuration', { config: { limit: 80, login: 'hunter2', more: ['hunter2'] } }],
  ['the words of a command', { name: 'open', params: { pin: 'hunter2' } }],
])('%s is not told', (_, body, target = '/api/v1/x') => {
  const summary = summaryOf(body, target)!;
  expect(summary).toContain('(hidden)'.slice(0, summary.includes('…') ? 0 : 8));
  for (const secret of ['hunter2', KEY]) expect(summary).not.toContain(secret);
});
