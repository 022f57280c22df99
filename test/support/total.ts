/** Prints `N passed, N failed` over the reports named: `total.ts unit e2e`. */
import { existsSync } from 'node:fs';
import { countsOf, reportFile } from './report.ts';

const runs = process.argv.slice(2);
for (const run of runs) if (!existsSync(reportFile(run))) console.log(`${run}: did not run, counted as one failure`);
const counts = runs.map(countsOf);
const passed = counts.reduce((sum, each) => sum + each.passed, 0);
const failed = counts.reduce((sum, each) => sum + each.failed, 0);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
