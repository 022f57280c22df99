import { UsageError } from '@weir/runtime';
import { describe, expect, test } from 'vitest';
import { defaultConfig } from './config.ts';
import { parseConfig } from './load.ts';

function faults(text: string): string {
  try {
    parseConfig(text, 'agent.yaml');
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return 'accepted';
}

test('an empty file means every default', () => {
  expect(parseConfig('', 'agent.yaml')).toEqual(defaultConfig());
  expect(parseConfig('mqtt:\n  port: 0\n', 'agent.yaml').mqtt.port).toBe(0);
});

test('sizes and durations are written as people write them', () => {
  const config = parseConfig(
    'outbox: { lanes: { live: { bytesMax: 64MiB } } }\nuplink: { ackTimeoutMin: 1m }\n',
    'agent.yaml',
  );
  expect(config.outbox.lanes.live.bytesMax).toBe(64 * 1024 * 1024);
  expect(config.uplink.ackTimeoutMin).toBe(60_000);
});

describe('a fault is told with its line, so that it can be found', () => {
  test.each([
    ['mqtt:\n  prot: 1883\n', 'agent.yaml:2:3: mqtt.prot: no such option'],
    ['mqtt:\n  port: 70000\n', 'agent.yaml:2:3: mqtt.port: '],
    ['intake:\n  topics:\n    - plant/{sensor}\n    - plant/#\n', 'agent.yaml:4:7: intake.topics.1: a topic in which'],
    ['outbox:\n  liveBytesMax: lots\n', 'agent.yaml:2:3: outbox.liveBytesMax: "lots" is not a size such as 256KiB'],
    ['uplink:\n  ackTimeoutMin: 5m\n', 'uplink: ackTimeoutMin is over ackTimeoutMax'],
    ['uplink:\n  budget: { bytesPerDay: 1MiB, timeZone: Mars }\n', 'uplink.budget.timeZone: a time zone such as UTC'],
    ['mqtt: [1', 'agent.yaml:1:'],
    [
      'functions:\n  requests:\n    allow: ["https://a.example.com"]\n',
      'agent.yaml:3:13: functions.requests.allow.0: "https://a.example.com" is no pattern such as https://api.example.com/v1/*',
    ],
    ['intake:\n  passthrough: ["#"]\n', 'agent.yaml:2:17: intake.passthrough.0: a topic filter other than #'],
  ])('%j', (text, expected) => {
    expect(faults(text)).toContain(expected);
  });
});
