import { expect, test } from 'vitest';
import { formatJoinToken, joinRequestSchema, parseJoinToken } from './join.ts';

const token = { secret: 'A'.repeat(22), caSha256: 'b_-'.repeat(14).concat('c') };

test('a token copied with white space around it is still the token', () => {
  expect(parseJoinToken(` ${formatJoinToken(token)}\n`)).toEqual(token);
});

test('a token cut off or changed in copying is told apart from a wrong one', () => {
  const text = formatJoinToken(token);
  const spoilt = [
    '',
    text.slice(0, -1),
    text.slice(1),
    `${text}x`,
    text.replace('weir1', 'weir2'),
    text.replace('A', '/'),
  ];
  expect(spoilt.map(parseJoinToken)).toEqual(spoilt.map(() => undefined));
});

test('a device may not ask for a name that would open other topics', () => {
  const ask = (device: string) => joinRequestSchema.safeParse({ secret: 's'.repeat(22), csr: 'pem', device }).success;
  expect(['gw1', 'a:b_c-d', '', '+', 'a/b', 'a#', 'gw 1', 'x'.repeat(129)].map(ask)).toEqual([
    true,
    true,
    ...Array(6).fill(false),
  ]);
});
