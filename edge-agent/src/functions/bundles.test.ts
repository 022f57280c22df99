import { SqliteError } from '@weir/runtime';
import { expect, test } from 'vitest';
import type { Spool } from '../spool/spool.ts';
import { loadDeployed } from './bundles.ts';

const KEPT = [{ name: 'hot', hash: 'ab', config: '{}', quarantined: null }];

function spoolThat(fails: Error): Spool {
  return { call: () => Promise.reject(fails), close: async () => {} };
}

test('a bundle that cannot be read just now stops no function: whoever builds the host tries again', async () => {
  for (const code of ['full', 'io', 'busy'] as const) {
    const failure = new SqliteError(code, 'the disk cannot just now');
    await expect(loadDeployed(spoolThat(failure), KEPT)).rejects.toBe(failure);
  }
});

test('one that is damaged is left out, and its neighbours run', async () => {
  const failure = new SqliteError('corrupt', 'database disk image is malformed');
  expect(await loadDeployed(spoolThat(failure), KEPT)).toEqual({
    deployed: [],
    damaged: [{ name: 'hot', error: failure }],
  });
});
