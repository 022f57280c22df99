/** `npm run e2e`: the tests on real processes. Arguments go to vitest, e.g. a part of a file's name. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { countsOf, reportArguments } from '../support/report.ts';
import { run } from '../support/run.ts';

/** What the tests use of the machine, and the Debian package that has it. */
const TOOLS = { mosquitto_pub: 'mosquitto-clients', ss: 'iproute2' };

const missing = Object.entries(TOOLS).filter(([tool]) => !isInstalled(tool));
process.exitCode = missing.length === 0 ? await runTests() : sayMissing();

async function runTests(): Promise<number> {
  const args = ['run', '--config', 'vitest.e2e.config.ts', ...reportArguments('e2e'), ...process.argv.slice(2)];
  const { code, seconds } = await run('vitest', args, { show: true });
  const { passed, failed } = countsOf('e2e');
  console.log(`\nend to end: ${passed} passed, ${failed} failed, in ${seconds.toFixed(0)} s`);
  return code ?? 1;
}

/** A newcomer's machine need not have them; where `WEIR_TOOLS=required` it is a failure. */
function sayMissing(): number {
  console.log(
    `end to end: NOT RUN. These tests use ${missing.map(([tool]) => tool).join(' and ')}, not found on this machine.`,
  );
  console.log(`On Debian or Ubuntu: sudo apt-get install ${missing.map(([, debian]) => debian).join(' ')}`);
  return process.env.WEIR_TOOLS === 'required' ? 1 : 0;
}

function isInstalled(tool: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, tool)));
}
