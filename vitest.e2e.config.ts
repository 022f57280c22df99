import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    setupFiles: ['test/support/patience.ts'],
    include: [
      'test/e2e/**/*.test.ts',
      '{protocols,runtime,edge-agent,cloud,devices,examples,test}/**/*.process.test.ts',
    ],
    exclude: ['**/node_modules/**'],
    pool: 'forks',
    execArgv: ['--no-node-snapshot', '--disable-warning=ExperimentalWarning'],
    // Each file starts its own hub and gateway, and mostly waits for them: two at a time, so that a processor is left.
    maxWorkers: 2,
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
