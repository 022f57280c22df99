import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // isolated-vm refuses worker threads and needs the flag in each forked process.
    pool: 'forks',
    execArgv: ['--no-node-snapshot', '--disable-warning=ExperimentalWarning'],
    include: ['{protocols,runtime,edge-agent,cloud,devices,examples,test}/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/e2e/**'],
  },
});
