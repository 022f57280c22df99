import { expect, test } from 'vitest';
import { preAuthEncoding } from './envelope.ts';

test('what is signed is encoded as DSSE has it, lengths in bytes', () => {
  const encode = (type: string, payload: string) =>
    new TextDecoder().decode(preAuthEncoding(type, new TextEncoder().encode(payload)));
  // The example of the specification.
  expect(encode('http://example.com/HelloWorld', 'hello world')).toBe(
    'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
  );
  expect(encode('é', '')).toBe('DSSEv1 2 é 0 ');
});
