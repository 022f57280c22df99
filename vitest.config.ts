import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    setupFiles: ['test/support/patience.ts'],
    // A busy machine is slow, not wrong; a test that hangs is still told.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // isolated-vm refuses worker threads and needs the flag in each forked process.
    pool: 'forks',
    // One more than by default: many tests wait for processes of their own.
    maxWorkers: availableParallelism(),
    // Files share a process: to start one and to load everything anew took half of the time. What a file starts it also ends.
    isolate: false,
    execArgv: ['--no-node-snapshot', '--disable-warning=ExperimentalWarning'],
    include: ['{protocols,runtime,edge-agent,cloud,devices,examples,test}/**/*.test.ts'],
    // Tests that start whole programs belong to the end-to-end run.
    exclude: ['**/node_modules/**', 'test/e2e/**', '**/*.process.test.ts'],
  },
});
