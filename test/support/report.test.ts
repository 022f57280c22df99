import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { countsOf, reportArguments, reportFile } from './report.ts';

const RUN = 'report-test';
afterEach(() => rmSync(reportFile(RUN), { force: true }));

function report(counts: object, testResults: object[]): void {
  reportArguments(RUN);
  const none = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
  writeFileSync(reportFile(RUN), JSON.stringify({ ...none, ...counts, testResults }));
}

test('a run that left no report is a failure, not nothing', () => {
  reportArguments(RUN);
  expect(countsOf(RUN)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test('a file that could not be loaded is a failure although none of its tests failed', () => {
  report({ numPassedTests: 5, numFailedTests: 1, numPendingTests: 2 }, [
    { status: 'passed', assertionResults: [{}, {}] },
    { status: 'failed', assertionResults: [{}] },
    { status: 'failed', assertionResults: [] },
  ]);
  expect(countsOf(RUN)).toEqual({ passed: 5, failed: 2, skipped: 2 });
});

test('the report of an earlier run is not taken for that of this one', () => {
  report({ numPassedTests: 5 }, []);
  reportArguments(RUN);
  expect(countsOf(RUN).failed).toBe(1);
});
