/** `npm run e2e`: the tests on real processes. Arguments go to vitest, e.g. a part of a file's name. */
import { countsOf, reportArguments } from '../support/report.ts';
import { run } from '../support/run.ts';
import { areToolsRequired, isInstalled } from '../support/tools.ts';

if (!isInstalled('mosquitto_pub')) sayMissing();
else process.env.WEIR_MOSQUITTO = 'yes';
process.exitCode ||= await runTests();

async function runTests(): Promise<number> {
  const args = ['run', '--config', 'vitest.e2e.config.ts', ...reportArguments('e2e'), ...process.argv.slice(2)];
  const { code, seconds } = await run('vitest', args, { show: true });
  const { passed, failed } = countsOf('e2e');
  console.log(`\nend to end: ${passed} passed, ${failed} failed, in ${seconds.toFixed(0)} s`);
  return code ?? 1;
}

/** A newcomer's machine need not have it; where `WEIR_TOOLS=required` that is a failure. */
function sayMissing(): void {
  console.log('mosquitto_pub is not on this machine: mqtt.js publishes in its place.');
  console.log('To test with a client of somebody else: sudo apt-get install mosquitto-clients');
  if (areToolsRequired) process.exitCode = 1;
}
