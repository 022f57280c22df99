import { expect, test } from 'vitest';
import { RepeatedFailures } from './repeated-failures.ts';

function failures() {
  let now = 0;
  const said: string[] = [];
  const repeated = new RepeatedFailures();
  const ports = {
    clock: { monotonic: () => now },
    log: { error: (_: object, message: string) => void said.push(message) },
  };
  /** @returns what is said of it */
  return (at: number, what: string, message = 'it is so') => {
    now = at;
    repeated.tell(ports, what, new Error(message));
    return said.splice(0);
  };
}

test('a failure is told at once, then once a minute with how often it came; another one is told at once, too', () => {
  const fail = failures();
  expect(fail(0, 'full')).toEqual(['full']);
  for (let at = 1; at < 60_000; at += 1_000) expect(fail(at, 'full')).toEqual([]);
  expect(fail(59_998, 'full', 'for another reason')).toEqual(['full']);
  expect(fail(59_999, 'read-only')).toEqual(['read-only']);
  expect(fail(60_000, 'full')).toEqual(['full (61 times since it was said last)']);
  expect(fail(60_001, 'full')).toEqual([]);
  expect(fail(500_000, 'full')).toEqual(['full (2 times since it was said last)']);
});

test('what is remembered is bounded', () => {
  const fail = failures();
  for (let kind = 0; kind < 1_000; kind++) expect(fail(0, `${kind}`)).toEqual([`${kind}`]);
  expect(fail(1, '999')).toEqual([]);
});
