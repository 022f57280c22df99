import { expect, test } from 'vitest';
import { headersOfUse, headersRefusal } from './headers.ts';

test.each([
  [{ authorization: 'Bearer x', 'Content-Type': 'text/plain', 'x-a': '' }, undefined],
  [{ Host: 'evil.org' }, '"Host" is set by the host alone'],
  [{ 'Idempotency-Key': '1' }, 'set by the host alone'],
  [{ 'transfer-encoding': 'chunked' }, 'set by the host alone'],
  [{ 'proxy-authorization': 'x' }, 'set by the host alone'],
  [{ 'x-a': 'b\r\nhost: evil.org' }, 'visible ASCII'],
  [{ 'x-a': 'grün' }, 'visible ASCII'],
  [{ 'x a': 'b' }, 'no name of a header'],
  [{ '': 'b' }, 'no name of a header'],
  [{ 'x-a': '1', 'X-A': '2' }, 'twice'],
])('headers %#: nothing passes by which a request becomes another one', (headers, refusal) => {
  expect(headersRefusal(headers as Record<string, string>)).toEqual(
    refusal === undefined ? undefined : expect.stringContaining(refusal),
  );
});

test('of an answer a function sees what it can use, and no cookie', () => {
  const headers = { etag: '"1"', 'set-cookie': ['a'], server: 'x', 'x-ratelimit-remaining': '3', link: ['a', 'b'] };
  expect(headersOfUse(headers)).toEqual({ etag: '"1"', 'x-ratelimit-remaining': '3', link: 'a, b' });
});
