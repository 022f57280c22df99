import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

function crash(...args: string[]): Promise<{ code: number; words: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), words: stdout + stderr });
    });
  });
}

test.each([
  [['--only', 'no-such'], 2, /there is no scenario "no-such"/],
  [['--only', 'constructor'], 2, /there is no scenario "constructor"/],
  [['--rounds', '0'], 2, /--rounds: a whole number over 0/],
  [['--full-for', 'an hour'], 2, /--full-for: a time such as 10m is wanted, not an hour/],
  [['--full-for', '0s'], 2, /--full-for: a time such as 10m/],
  [['--fast'], 2, /Unknown option '--fast'/],
  [['--help'], 0, /kill {12}kill -9 of hub, gateway and sandboxes/],
])('crash %j ends with %i', async (args, code, words) => {
  const ended = await crash(...args);
  expect(ended.words).toMatch(words);
  expect(ended.code).toBe(code);
});
