import { UsageError } from '@weir/runtime';
import { expect, test } from 'vitest';
import { parsePolicy, readPolicyKept } from './policy-document.ts';

const CHANNELS = new Set(['phone', 'boss', 'hook']);

test('a step after 30 is refused, for seconds may be meant: as milliseconds the boss would be called at once', () => {
  const bare = 'escalations:\n  - steps: [{ after: 30, channels: [boss] }]\n';
  refused(bare, 'line 2, column 22: escalations.0.steps.0.after: 30 has no unit: write 30s, or 30ms');
  refused(
    'settle: { late: 30000 }',
    'line 1, column 17: settle.late: 30000 has no unit: write 30s for as many milliseconds',
  );
  refused('flapping: { within: 600, calm: 5 }', 'flapping.within: 600 has no unit', 'flapping.calm: 5 has no unit');
  expect(parsePolicy(bare.replace('30', '30s'), CHANNELS).escalations[0]!.steps[0]!.after).toBe(30_000);
});

test('one that was kept goes on to mean what it meant', () => {
  const kept = 'escalations:\n  - steps: [{ after: 30, channels: [gone] }]\n';
  expect(readPolicyKept(kept).escalations[0]!.steps[0]!.after).toBe(30);
});

test.each(['', ' \n', '# to be written\n', '---\n', 'null\n'])(
  'an empty file (%j) does not undo the policy that there is',
  (text) => {
    refused(text, 'it is empty');
    expect(() => parsePolicy(text, CHANNELS)).toThrow(UsageError);
    expect(readPolicyKept(text).routes).toEqual([]);
  },
);

test('that there is to be none can be written', () => {
  for (const text of ['routes: []', '{}']) expect(parsePolicy(text, CHANNELS).routes).toEqual([]);
});

test('all that is wrong is said at once, each with its line, and with what may be meant', () => {
  const text = [
    'routes:',
    `  - match: ['alertname=ladder"']`,
    '    chanels: [hook]',
    'escalations:',
    `  - match: severity=critical`,
    '    steps: []',
    'mute:',
    `  - { name: x, times: { zone: Mars/Base, times: Sat } }`,
    'default: []',
  ].join('\n');
  refused(
    text,
    'line 2, column 13: routes.0.match.0: the matchers',
    'line 3, column 5: routes.0.chanels: there is no key "chanels"; did you mean "channels"?',
    'line 5, column 12: escalations.0.match: "severity=critical" is no list',
    'line 6, column 12: escalations.0.steps: there is no step',
    'line 8, column 31: mute.0.times.zone: there is no time zone "Mars/Base"',
    'line 9, column 10: default: no channel is named',
  );
  refused(
    'default: [phone, nobody]\nroutes: [{ channels: [none] }]',
    'line 1, column 18: there is no channel "nobody"',
    'line 2, column 23: there is no channel "none"',
  );
  refused('- a', 'line 1, column 1: ["a"] is not what belongs here');
});

function refused(text: string, ...messages: string[]): void {
  let message = '';
  try {
    parsePolicy(text, CHANNELS);
  } catch (error) {
    message = (error as Error).message;
  }
  for (const expected of messages) expect(message).toContain(expected);
  expect(message.split('\n').length).toBeGreaterThanOrEqual(messages.length);
}
