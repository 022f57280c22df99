import { expect, test } from 'vitest';
import type { DeploymentRecord } from '../fleet.ts';
import { newRollout } from './begin.ts';
import { rolloutOptions } from './options.ts';

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
