import { expect, test } from 'vitest';
import { mayPublish, maySubscribe } from './acl.ts';

const own = '$aws/things/gw1/shadow';

test.each([
  ['weir/1/gw1/live', 'uplink'],
  ['weir/1/gw1/alert', 'uplink'],
  [`${own}/get`, 'shadow'],
  [`${own}/name/weir/update`, 'shadow'],
  [`${own}/delete`, 'shadow'],
  [`${own}/name/$a:b_c-d/get`, 'shadow'],
  ['$aws/rules/weir/weir/1/gw1/live', 'uplink'],
  ['$aws/rules/other/weir/1/gw1/live', 'refused'],
  ['$aws/rules/weir/weir/1/gw2/live', 'refused'],
  ['$aws/rules/weir/weir/1/gw1/command', 'refused'],
  ['$aws/rules/weir/$aws/things/gw1/shadow/get', 'refused'],
  ['$aws/rules/weir/$aws/rules/weir/weir/1/gw1/live', 'refused'],
  ['$aws/rules/weir', 'refused'],
  ['$aws/things/gw2/shadow/delete', 'refused'],
  [`${own}/list`, 'refused'],
  [`${own}/name/a b/get`, 'refused'],
  ['weir/1/gw2/live', 'refused'],
  ['weir/1/gw1/unknown', 'refused'],
  ['weir/1/gw1/command', 'refused'],
  ['weir/2/gw1/live', 'refused'],
  ['weir/1/gw1/live/more', 'refused'],
  ['$aws/things/gw2/shadow/update', 'refused'],
  [`${own}/update/accepted`, 'refused'],
  [`${own}/name/weir/update/delta`, 'refused'],
  ['$SYS/anything', 'refused'],
  ['plant/oven1/temperature', 'refused'],
])('gw1 publishing to %s: %s', (topic, kind) => {
  expect(mayPublish('gw1', { topic, qos: 1, retain: false }).kind).toBe(kind);
});

test('the rule of Basic Ingest may have another name', () => {
  const publish = { topic: '$aws/rules/plant_1/weir/1/gw1/alert', qos: 1, retain: false };
  expect(mayPublish('gw1', publish, 'plant_1')).toEqual({ kind: 'uplink', lane: 'alert' });
  expect(mayPublish('gw1', publish).kind).toBe('refused');
});

test('neither retained messages nor QoS 2', () => {
  expect(mayPublish('gw1', { topic: 'weir/1/gw1/live', qos: 1, retain: true }).kind).toBe('refused');
  expect(mayPublish('gw1', { topic: 'weir/1/gw1/live', qos: 2, retain: false }).kind).toBe('refused');
});

test.each([
  [`${own}/update/delta`, true],
  [`${own}/name/weir/get/accepted`, true],
  [`${own}/#`, true],
  [`${own}/name/+/update/delta`, true],
  ['#', false],
  ['$aws/things/+/shadow/update/delta', false],
  ['$aws/things/gw2/shadow/update/delta', false],
  ['$aws/things/gw1/shadow2/update', false],
  ['$SYS/#', false],
  [`$share/g/${own}/#`, false],
  ['weir/1/gw1/live', false],
  ['weir/1/gw1/command', true],
  ['weir/1/gw2/command', false],
  ['weir/1/+/command', false],
  ['weir/1/gw1/+', false],
  ['weir/1/gw1/#', false],
  ['weir/1/gw1/command/#', false],
  ['$share/g/weir/1/gw1/command', false],
])('gw1 subscribing to %s: %s', (filter, allowed) => {
  expect(maySubscribe('gw1', filter)).toBe(allowed);
});
