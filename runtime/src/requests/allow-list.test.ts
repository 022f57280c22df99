import { expect, test } from 'vitest';
import type { HttpRequest } from '../fold/fold.ts';
import { AllowList } from './allow-list.ts';

const ask = (url: string): HttpRequest => ({
  ...{ id: 'f:1:0', fold: 'f', key: '', name: 'ask', method: 'GET', url, headers: {} },
  ...{ timeoutMs: 1_000, retries: 0 },
});

test('a request needs the leave of its operator and the word of its function', () => {
  const allow = new AllowList(['https://api.example.com/*']);
  const check = (url: string, declared: string[]) =>
    allow.refusal(ask(url), { requests: declared, secrets: {} }) ?? 'sent';
  expect(check('https://api.example.com/v1/x', ['https://api.example.com/v1/*'])).toBe('sent');
  expect(check('https://api.example.com/v1/x', [])).toContain('not among the requests that the function declares');
  expect(check('https://api.example.com/v2/x', ['https://api.example.com/v1/*'])).toContain('function declares');
  expect(check('https://evil.org/x?key=1', ['https://evil.org/*'])).toMatch(
    /^https:\/\/evil\.org\/x is not allowed: add it to functions\.requests\.allow of this host, e\.g\. https:\/\/evil\.org\/x$/,
  );
  expect(check('nonsense', ['https://api.example.com/*'])).toBe('the URL nonsense is no URL');
});

test('without configuration nothing is allowed, and what is no pattern allows nothing', () => {
  const check = (allow: string[], requests: string[]) =>
    new AllowList(allow).refusal(ask('https://a.example.com/'), { requests, secrets: {} });
  expect(check([], ['https://a.example.com/'])).toContain('not allowed');
  expect(check(['*'], ['*'])).toContain('not allowed');
});
