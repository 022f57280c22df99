import { expect, test } from 'vitest';
import { type ChannelPolicyInput, channelPolicySchema } from './channel-policy.ts';

test('with nothing set everything is told at once, up to a rate', () => {
  expect(channelPolicySchema.parse({})).toEqual({
    ...{ wait: 30_000, interval: 300_000, rate: { messages: 60, perMs: 60_000 }, sendResolved: true },
  });
});

test.each<[ChannelPolicyInput, string]>([
  [{ rate: 'much' }, 'no rate'],
  [{ rate: '1/1m' }, 'from 2'],
  [{ rate: '5/0s' }, 'no rate'],
  [{ match: ['device'] }, 'not understood'],
  [{ repeat: '5s' }, 'at least 1m'],
  [{ wait: '60d' }, 'at most 30 days'],
  [{ groupBy: ['a b'] }, 'a label'],
  [{ quietHours: { times: [] } }, 'times are needed'],
])('%j is refused', (input, why) => {
  const { error } = channelPolicySchema.safeParse(input);
  expect(error?.issues.map(({ message }) => message).join()).toContain(why);
});
