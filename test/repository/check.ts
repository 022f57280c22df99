/** `npm run check`: the one gate. Format and lint, types, boundaries, dead code and unit tests, side by side. */
import { countsOf, reportArguments } from '../support/report.ts';
import { type Outcome, run } from '../support/run.ts';

const WORKSPACES = ['protocols', 'runtime', 'edge-agent', 'cloud', 'devices', 'examples', 'test'];

const checks: readonly { name: string; command: string; args: string[] }[] = [
  { name: 'lint', command: 'biome', args: ['ci', '--colors=off', '.'] },
  { name: 'types', command: 'tsc', args: ['-p', '.'] },
  { name: 'boundaries', command: 'depcruise', args: ['--config', 'test/repository/boundaries.ts', ...WORKSPACES] },
  { name: 'dead code', command: 'knip', args: ['--no-progress'] },
  { name: 'unit tests', command: 'vitest', args: ['run', ...reportArguments('unit')] },
];

const outcomes = await Promise.all(
  checks.map(async ({ name, command, args }) => {
    const outcome = await run(command, args);
    console.log(summary(name, outcome));
    return { name, ...outcome };
  }),
);

for (const { name, code, output } of outcomes) {
  if (code !== 0) console.log(`\n--- ${name}\n${output.trim()}`);
}
const failed = outcomes.filter(({ code }) => code !== 0).map(({ name }) => name);
console.log(failed.length === 0 ? '\ncheck: all good' : `\ncheck: ${failed.join(', ')} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;

function summary(name: string, { code, seconds }: Outcome): string {
  const line = `${code === 0 ? 'ok    ' : 'FAILED'}  ${name.padEnd(12)}${seconds.toFixed(1).padStart(5)} s`;
  if (name !== 'unit tests') return line;
  const { passed, failed, skipped } = countsOf('unit');
  return `${line}  ${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
