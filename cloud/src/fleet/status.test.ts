import { configDigest, type ReportedDeployment } from '@weir/protocols';
import { expect, test } from 'vitest';
import type { DeploymentRecord } from './fleet.ts';
import { deploymentStatus } from './status.ts';

const hash = 'a'.repeat(64);
const config = { limit: 80 };
const wanted: DeploymentRecord = {
  ...{ group: 'g', name: 'f', kind: 'function', version: '1', hash, bytes: 1, where: 'edge', config },
  ...{ setAt: 0, order: 1 },
};

test('a device that runs the bundle with the configuration of before has not got there yet', () => {
  const stateOf = (reported: Partial<ReportedDeployment>) =>
    deploymentStatus({
      device: 'gw1',
      connected: true,
      wanted: new Map([['f', { deployment: wanted, overridden: [], why: '', lost: [] }]]),
      reconcileError: undefined,
      refusalOf: () => undefined,
      reported: {
        edge: new Map([['f', { kind: 'function', version: '1', hash, state: 'running', ...reported }]]),
        cloud: new Map(),
      },
    })[0]?.state;
  expect(stateOf({ config: configDigest({ limit: 70 }) })).toBe('pending');
  expect(stateOf({})).toBe('pending');
  expect(stateOf({ config: configDigest(config) })).toBe('running');
});
