import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // isolated-vm refuses worker threads and needs the flag in each forked process.
    pool: 'forks',
    // One more than by default: many tests wait for processes of their own.
    maxWorkers: availableParallelism(),
    execArgv: ['--no-node-snapshot', '--disable-warning=ExperimentalWarning'],
    include: ['{protocols,runtime,edge-agent,cloud,devices,examples,test}/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/e2e/**'],
  },
});
