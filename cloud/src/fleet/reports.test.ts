import { expect, test } from 'vitest';
import { reportsIn } from './reports.ts';

const TOPIC = '$aws/things/gw1/shadow/name/weir/update/documents';
const deployment = (state: string, over = {}) => ({ kind: 'rule', version: '1', hash: 'aa', state, ...over });
const payload = (before: object | null, after: object) => {
  const document = (deployments: object) => ({ state: { reported: { deployments } }, version: 1 });
  return JSON.stringify({ previous: before && document(before), current: document(after), timestamp: 1 });
};
const states = (before: object | null, after: object) =>
  reportsIn(TOPIC, payload(before, after), 5)!.events.map((event) => event.type === 'deployment' && event.state);

test.each([
  ['the first report', null, { hot: deployment('fetching') }, ['fetching']],
  ['a new state', { hot: deployment('fetching') }, { hot: deployment('running') }, ['running']],
  ['a new version', { hot: deployment('running') }, { hot: deployment('running', { hash: 'bb' }) }, ['running']],
  ['a new reason', { hot: deployment('failed') }, { hot: deployment('failed', { reason: 'x' }) }, ['failed']],
  [
    'another version in its place',
    { hot: deployment('failed') },
    { hot: deployment('failed', { running: { version: '0', hash: 'bb' } }) },
    ['failed'],
  ],
  ['only a count of errors', { hot: deployment('running') }, { hot: deployment('running', { errors: 3 }) }, []],
  ['one that is gone', { hot: deployment('running') }, {}, ['removed']],
  ['nonsense', {}, { hot: 'running', cold: { state: 1 } }, []],
])('%s is told as what it is', (_what, before, after, expected) => {
  expect(states(before, after)).toEqual(expected);
});

test('nothing is read off another shadow, or another topic', () => {
  const body = payload(null, { hot: deployment('running') });
  expect(reportsIn('$aws/things/gw1/shadow/name/other/update/documents', body, 5)).toBeUndefined();
  expect(reportsIn('$aws/things/gw1/shadow/name/weir/update/accepted', '{}', 5)).toBeUndefined();
  expect(reportsIn('weir/1/gw1/live', 'no JSON', 5)).toBeUndefined();
});
