import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isLane,
  LANES,
  parseShadowTopic,
  parseUplinkTopic,
  type ShadowTopic,
  shadowPrefix,
  topicMatches,
  uplinkTopic,
} from './topics.ts';

const device = fc.stringMatching(/^[a-zA-Z0-9:_-]{1,128}$/);

test('every device and lane has one uplink topic, within the limits of AWS IoT', () => {
  fc.assert(
    fc.property(device, fc.constantFrom(...LANES), (device, lane) => {
      const topic = uplinkTopic(device, lane);
      expect(parseUplinkTopic(topic)).toEqual({ device, lane });
      expect(Buffer.byteLength(topic)).toBeLessThanOrEqual(256);
      expect(topic.split('/').length - 1).toBeLessThanOrEqual(7);
    }),
  );
});

test.each([
  '',
  'weir',
  'weir/1/gw1',
  'weir/2/gw1/live',
  'weir/1/gw1/fast',
  'weir/1//live',
  'weir/1/gw1/live/more',
  '/weir/1/gw1/live',
  'weir/1/gw 1/live',
  'weir/1/+/live',
  'weir/1/gw1/#',
  'weir/1/gw1/constructor',
  `weir/1/${'d'.repeat(129)}/live`,
])('%j is no uplink topic', (topic) => {
  expect(parseUplinkTopic(topic)).toBeUndefined();
});

test('a topic parsed is a topic that would be written: no device speaks for another by odd spelling', () => {
  const part = fc.oneof(fc.constantFrom('weir', '1', 'gw1', 'live', '', '+', '#', '$aws', '..'), fc.string());
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const topic = parts.join('/');
      const parsed = parseUplinkTopic(topic);
      if (parsed !== undefined) expect(uplinkTopic(parsed.device, parsed.lane)).toBe(topic);
    }),
  );
});

test('names that every object has are no lanes', () => {
  expect(['alert', 'constructor', 'length', ''].map(isLane)).toEqual([true, false, false, false]);
});

describe('shadow topics', () => {
  test.each<[string, ShadowTopic | undefined]>([
    ['$aws/things/gw1/shadow/get', { device: 'gw1', suffix: 'get' }],
    ['$aws/things/gw1/shadow/update/accepted', { device: 'gw1', suffix: 'update/accepted' }],
    ['$aws/things/gw1/shadow/name/weir/update', { device: 'gw1', name: 'weir', suffix: 'update' }],
    ['$aws/things/gw1/shadow/name/$x/get', { device: 'gw1', name: '$x', suffix: 'get' }],
    ['$aws/things/gw1/shadow', { device: 'gw1', suffix: '' }],
    ['$aws/things/gw1/shadow/name', undefined],
    ['$aws/things/gw1/shadow/name//get', undefined],
    ['$aws/things/gw1/shadow/name/a.b/get', undefined],
    [`$aws/things/gw1/shadow/name/${'n'.repeat(65)}/get`, undefined],
    ['$aws/things//shadow/get', undefined],
    ['$aws/things/gw1/jobs/get', undefined],
    ['aws/things/gw1/shadow/get', undefined],
    ['$aws', undefined],
  ])('%s', (topic, parsed) => {
    expect(parseShadowTopic(topic)).toEqual(parsed);
  });

  test('prefix and suffix make the topic again', () => {
    const name = fc.option(fc.stringMatching(/^[$a-zA-Z0-9:_-]{1,64}$/), { nil: undefined });
    fc.assert(
      fc.property(device, name, fc.constantFrom('get', 'update', 'update/delta'), (device, name, suffix) => {
        const parsed = parseShadowTopic(`${shadowPrefix(device, name)}/${suffix}`);
        expect(parsed).toEqual({ device, suffix, ...(name === undefined ? {} : { name }) });
      }),
    );
  });
});

describe('topic filters, as MQTT 3.1.1 section 4.7 has them', () => {
  test.each<[string, string, boolean]>([
    ['a/b', 'a/b', true],
    ['a/b', 'a/c', false],
    ['a/b', 'a', false],
    ['a', 'a/b', false],
    ['a/+', 'a/b', true],
    ['a/+', 'a/', true],
    ['a/+', 'a', false],
    ['a/+', 'a/b/c', false],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['a/#', 'ab', false],
    ['#', 'a/b', true],
    ['#', '$SYS/x', false],
    ['+/x', '$SYS/x', false],
    ['$SYS/#', '$SYS/x', true],
    ['$aws/things/+/shadow/get', '$aws/things/gw1/shadow/get', true],
  ])('%s on %s: %s', (filter, topic, matches) => {
    expect(topicMatches(filter, topic)).toBe(matches);
  });
});
