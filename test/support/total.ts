/** Prints `N passed, N failed` over the reports named: `total.ts unit e2e`. */
import { countsOf } from './report.ts';

const counts = process.argv.slice(2).map(countsOf);
const passed = counts.reduce((sum, each) => sum + each.passed, 0);
const failed = counts.reduce((sum, each) => sum + each.failed, 0);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
