import { expect, test } from 'vitest';
import { loadConfig, parseConfig } from './load.ts';

test('without a file everything listens on this machine alone, within limits', async () => {
  const config = await loadConfig(undefined);
  expect(config.listen).toEqual({
    mqtt: { host: '127.0.0.1', port: 8883 },
    device: { host: '127.0.0.1', port: 8443 },
    api: { host: '127.0.0.1', port: 8080 },
  });
  expect(config.log).toEqual({ partitions: 16, bytesMax: 1024 ** 3 });
});

test('people write sizes and durations; the rest keeps its default', () => {
  const config = parseConfig('front: { connectTimeout: 30s }\nlog: { bytesMax: 4GiB }', 'hub.yaml');
  expect(config.front.connectTimeout).toBe(30_000);
  expect(config.log.bytesMax).toBe(4 * 1024 ** 3);
  expect(config.front.packetBytesMax).toBe(262_144);
});

test.each([
  ['an option that is not known', 'fornt: {}', /hub\.yaml: .*fornt/],
  ['a size without a unit that exists', 'log: { bytesMax: 4GB }', /hub\.yaml: log\.bytesMax: .*4GB/],
  ['a port that is none', 'listen: { api: { port: 70000 } }', /hub\.yaml: listen\.api\.port/],
  ['a host that is none', 'public: { hosts: ["no host"] }', /hub\.yaml: public\.hosts\.0: a host name/],
  [
    'a pattern that is none',
    'functions: { requests: { allow: ["https://*/x"] } }',
    /hub\.yaml: functions\.requests\.allow\.0: "https:\/\/\*\/x" is no pattern/,
  ],
  ['an endpoint that is none', 'downlink: { endpoint: "a.example" }', /hub\.yaml: downlink\.endpoint/],
  ['a profile that is none', 'profile: aws', /hub\.yaml: profile/],
  ['YAML that is broken', 'listen: [', /hub\.yaml: /],
])('%s is named with its place', (_, text, message) => {
  expect(() => parseConfig(text, 'hub.yaml')).toThrow(
    expect.objectContaining({ code: 'config-invalid', message: expect.stringMatching(message) }),
  );
});

test('a file that is not there is said so', async () => {
  await expect(loadConfig('/nowhere/hub.yaml')).rejects.toMatchObject({ code: 'config-missing' });
});
