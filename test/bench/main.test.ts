import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { median } from './bench.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

function bench(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

test.each([
  [[], 2, /one NAME is wanted/],
  [['no-such'], 2, /there is no bench "no-such"/],
  [['constructor'], 2, /there is no bench "constructor"/],
  [['edge-throughput', '--seconds', '0'], 2, /--seconds: 1 to 3600/],
  [['edge-throughput', '--fast'], 2, /Unknown option '--fast'/],
  [['--help'], 0, /Usage: npm run bench -- NAME/],
  [['edge-throughput', '--help'], 0, /readings_per_s {3}median of the windows/],
])('bench %j ends with %i', async (args, code, words) => {
  const ended = await bench(...args);
  expect(ended.stdout + ended.stderr).toMatch(words);
  expect(ended.code).toBe(code);
});

test('the median of an even count is between the two in the middle', () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([7])]).toEqual([2, 2.5, 7]);
});
