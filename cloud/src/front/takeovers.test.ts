import { expect, test } from 'vitest';
import { Takeovers } from './takeovers.ts';

const MINUTE = 60_000;

test('a device that takes turns with another one flaps from the fifth takeover on, until it has been quiet', () => {
  const takeovers = new Takeovers();
  const told = [0, 1, 2, 3, 4, 5, 6].map((n) =>
    takeovers.note('gw1', n % 2 === 0 ? ['10.0.0.1', '10.0.0.2'] : ['10.0.0.2', '10.0.0.1'], n * 10_000),
  );
  expect(told.map((each) => each !== undefined)).toEqual([false, false, false, false, true, false, false]);
  const flapping = { since: 0, takeovers: 7, addresses: ['10.0.0.1', '10.0.0.2'] };
  expect(takeovers.of('gw1', 60_000 + 10 * MINUTE - 1)).toEqual(flapping);
  expect(takeovers.of('gw1', 60_000 + 10 * MINUTE)).toBeUndefined();
  expect(takeovers.note('gw1', ['10.0.0.1', '10.0.0.1'], 20 * MINUTE)).toBeUndefined();
});

test('one that loses its line now and then does not, nor do its neighbours', () => {
  const takeovers = new Takeovers();
  for (let n = 0; n < 20; n++) {
    takeovers.note('gw1', ['10.0.0.1', '10.0.0.1'], n * 2 * MINUTE);
    takeovers.note(`gw${n + 2}`, ['10.0.0.1', '10.0.0.1'], n);
  }
  expect(takeovers.of('gw1', 38 * MINUTE)).toBeUndefined();
  expect(takeovers.of('gw2', 1)).toBeUndefined();
});

test('of very many devices only the last are remembered', () => {
  const takeovers = new Takeovers();
  for (let n = 0; n < 5; n++) takeovers.note('first', ['a', 'b'], n);
  for (let n = 0; n < 10_000; n++) takeovers.note(`gw${n}`, ['a', 'b'], 10);
  expect(takeovers.of('first', 10)).toBeUndefined();
});
