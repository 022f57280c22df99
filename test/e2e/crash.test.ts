/** The scenarios of `npm run crash`, in seconds instead of minutes. */
import { describe, test } from 'vitest';
import { chance } from '../crash/scenario.ts';
import { SCENARIOS } from '../crash/scenarios.ts';

const SEED = 4711;
const ROUNDS = 8;

// Most of the time they wait.
describe.concurrent('nothing that was acknowledged is lost', () => {
  test.for(Object.entries(SCENARIOS))('%s', { timeout: 300_000 }, async ([, scenario], { expect, skip }) => {
    const reason = scenario.unavailable?.();
    skip(reason !== undefined, reason);
    const said: string[] = [];
    const { signal } = new AbortController();
    const say = (line: string) => said.push(line);
    const { faults } = await scenario.run({ random: chance(SEED), size: 'short', rounds: ROUNDS, say, signal });
    expect(faults, said.join('\n')).toEqual([]);
  });
});
