import type { ReportedDeployment } from '@weir/protocols';
import { expect, test } from 'vitest';
import { deploymentLines } from './deployments.ts';

const NOW = 1_000_000;
const told = (changes: Partial<ReportedDeployment> = {}): ReportedDeployment => ({
  ...{ kind: 'function', version: '2', hash: 'h', state: 'running', proven: true },
  ...changes,
});
const linesOf = (deployments: Record<string, ReportedDeployment>, halves?: number) =>
  deploymentLines(
    { deployments, trials: halves === undefined ? [] : [{ name: 'f', hash: 'h', config: '{}', halves }] },
    NOW,
  );

test('nothing is said where all that is wanted runs and is proven', () => {
  expect(linesOf({ f: told(), g: told({ proven: false }) })).toEqual([]);
});

test('what is under way, has failed or is on trial is told, with what the agent did not survive', () => {
  expect(linesOf({ f: told({ state: 'starting' }) })).toEqual(['', 'deployments', '  f@2 is starting']);
  const running = { version: '1', hash: 'g' };
  expect(linesOf({ f: told({ state: 'failed', reason: 'disk-critical: no room', running }) })[2]).toBe(
    '  f@2 is failed, 1 runs in its place: disk-critical: no room',
  );
  expect(linesOf({ f: told({ proven: false }) }, 0)[2]).toBe('  f@2 is on trial');
  expect(linesOf({ f: told({ proven: false }) }, 4)[2]).toMatch(/on trial; the agent ended 2 times since/);
});

test('a candidate is told beside what runs, with what both made and the first difference', () => {
  const both = (blue: number, green: number) => ({ blue, green });
  const candidate = {
    ...{ version: '3', hash: 'i', state: 'running' as const, since: NOW - 60_000, steps: 120, differ: 3 },
    ...{ example: '1, the candidate: 2', errors: both(0, 1), outputs: both(130, 127), cpuMs: both(12, 15) },
  };
  expect(linesOf({ f: told({ candidate }) }).slice(2)).toEqual([
    '  f@3, its candidate, is running for 60 s',
    '    of 120 inputs 3 were answered differently; what runs/candidate: outputs 130/127, failed steps 0/1, 12/15 ms on a processor',
    '    the first difference: 1, the candidate: 2',
  ]);
});
