import { describe, expect, test } from 'vitest';
import { isTopicPattern, type Route, TopicMap } from './topic-map.ts';

const map = new TopicMap(['plant/{sensor}/{metric}', 'plant/{sensor}', '{metric}/of/{sensor}'], ['cmd/#']);

describe('a topic says whose reading it is', () => {
  const check = (topic: string, expected: Route) =>
    test(topic, () => {
      expect(map.route(topic)).toEqual(expected);
      expect(map.route(topic)).toBe(map.route(topic));
    });
  check('plant/oven1/temperature', { kind: 'reading', sensor: 'oven1', metric: 'temperature' });
  check('plant/oven1', { kind: 'reading', sensor: 'oven1', metric: undefined });
  check('humidity/of/room-2', { kind: 'reading', sensor: 'room-2', metric: 'humidity' });
  check('cmd/valve/open', { kind: 'passthrough' });
  check('cmd', { kind: 'passthrough' });
  check('plant', { kind: 'refused', reason: 'unknown-topic' });
  check('plant/a/b/c', { kind: 'refused', reason: 'unknown-topic' });
  check('plant/oven 1/temperature', { kind: 'refused', reason: 'invalid-name' });
  check('plant//temperature', { kind: 'refused', reason: 'invalid-name' });
  check('plant/__proto__/x', { kind: 'refused', reason: 'invalid-name' });
  check('$SYS/broker', { kind: 'refused', reason: 'reserved-topic' });
});

test('a pattern that could not name a sensor is refused in the configuration', () => {
  const verdicts = [
    'plant/{sensor}',
    '{sensor}',
    'plant/#',
    'plant/{metric}',
    'a/{sensor}/{sensor}',
    'x{sensor}',
    '$a/{sensor}',
  ];
  expect(verdicts.map(isTopicPattern)).toEqual([true, true, false, false, false, false, false]);
});

test('invented topics do not fill the memory', () => {
  for (let i = 0; i < 25_000; i++) map.route(`plant/s${i}/m`);
  expect(map.route('plant/oven1')).toEqual({ kind: 'reading', sensor: 'oven1', metric: undefined });
});
