import { expect, test } from 'vitest';
import { parseRetryAfter, sign } from './webhook.ts';

test('the signature is that of the published test vector of Standard Webhooks', () => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  expect(sign(secret, 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330, '{"test": 2432232314}')).toBe(
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  );
});

test.each([
  [null, undefined],
  ['120', 120_000],
  ['Sat, 21 Nov 2026 03:12:30 GMT', 30_000],
  ['Sat, 21 Nov 2026 03:11:00 GMT', 0],
  ['soon', undefined],
  ['-5', undefined],
])('Retry-After %s is %s ms', (text, ms) => {
  expect(parseRetryAfter(text, Date.parse('2026-11-21T03:12:00Z'))).toBe(ms);
});
