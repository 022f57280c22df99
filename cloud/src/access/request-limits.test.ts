import { expect, test } from 'vitest';
import { networkOf, RequestLimits } from './request-limits.ts';

test.each([
  ['10.0.0.7', '10.0.0.7'],
  ['::ffff:10.0.0.7', '10.0.0.7'],
  ['::1', '0:0:0:0::/64'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:db8:1:2::', '2001:db8:1:2::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
])('%s counts as %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test('whoever has a network of IPv6 addresses has one bucket, and a clock that goes back fills none', () => {
  let now = 1_000_000;
  const rate = { burst: 2, perMinute: 60 };
  const limits = new RequestLimits({ perAddress: rate, perKey: rate, failures: rate }, () => now);
  expect([1, 2, 3].map((n) => limits.ofFailure(`2001:db8::${n}`))).toEqual([0, 0, 1_000]);
  now -= 500_000;
  expect(limits.ofFailure('2001:db8::4')).toBe(1_000);
  expect(limits.ofFailure('2001:db8:0:1::4')).toBe(0);
  now += 501_000;
  expect(limits.ofFailure('2001:db8::5')).toBe(0);
});
