import { expect, test } from 'vitest';
import type { DeploymentRecord } from '../fleet.ts';
import { newRollout } from './begin.ts';
import { rolloutOptions } from './options.ts';
import { pastNotes } from './words.ts';

const record = (more: Partial<DeploymentRecord> = {}): DeploymentRecord =>
  ({
    name: 'mean',
    version: '1.0.0',
    hash: 'a',
    config: {},
    where: 'edge',
    kind: 'function',
    order: 1,
    ...more,
  }) as never;

test.each<[string, Partial<DeploymentRecord>]>([
  ['mean@1.0.0 is to come, where 0.9.0 stands', { version: '0.9.0', hash: 'b' }],
  ['mean@1.0.0 is to come, where other code of the same version stands', { hash: 'b' }],
  ['mean@1.0.0 is to come, where the same stands with another configuration', { config: { window: 5 } }],
  ['mean@1.0.0 is to come, where the same stands', {}],
])('%s', (text, standing) => {
  const options = rolloutOptions({ waves: '1,100%' });
  expect(newRollout(record(), record(standing), undefined, options, 0).told[0]!.text).toBe(text);
});

test.each<[string, Parameters<typeof rolloutOptions>[0], string[]]>([
  ['that is past', { at: '2026-11-20T02:00:00Z' }, ['which is past: it begins at once']],
  [
    'that is past, with a window',
    { at: '2026-11-20T02:00:00Z', window: 'Mon-Fri 02:00-04:00' },
    ['at once, where it is Mon-Fri 02:00-04:00'],
  ],
  ['that is to come', { at: '2026-11-22T02:00:00Z' }, []],
  ['that nobody gave', { waves: '1,100%' }, []],
])('of a time to begin %s', (_, words, notes) => {
  const rollout = newRollout(record(), undefined, undefined, rolloutOptions(words), Date.parse('2026-11-21T00:00:00Z'));
  expect(pastNotes(rollout)).toEqual(notes.map((note) => expect.stringContaining(note)));
});
