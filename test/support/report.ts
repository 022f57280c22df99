/** Reports that vitest writes, and the one line that sums them. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** One file for each run of vitest; not committed. */
export function reportFile(run: string): string {
  return fileURLToPath(new URL(`../../node_modules/.cache/weir/${run}.json`, import.meta.url));
}

/** Arguments that make vitest write its report; an old one is removed, so that a crash does not show the last run's. */
export function reportArguments(run: string): string[] {
  const file = reportFile(run);
  rmSync(file, { force: true });
  mkdirSync(dirname(file), { recursive: true });
  return ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
}

interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}

/** A file that could not even be loaded counts as one failure, and so does a run that left no report. */
export function countsOf(run: string): Counts {
  const file = reportFile(run);
  if (!existsSync(file)) return { passed: 0, failed: 1, skipped: 0 };
  const report = JSON.parse(readFileSync(file, 'utf8')) as VitestReport;
  const unloadable = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloadable.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
