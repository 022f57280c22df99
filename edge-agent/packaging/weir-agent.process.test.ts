/** The unit that `README.md` tells people to install. */
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../src/temporary-folder.fixture.ts';

const UNIT = fileURLToPath(new URL('./weir-agent.service', import.meta.url));
const PROJECT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
/** Of 10, by what systemd counts; what is left is a network, a user namespace for the sandbox, and a compiler at run time. */
const EXPOSURE_TENTHS_MAX = 22;

function isThere(): boolean {
  try {
    execFileSync('systemd-analyze', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function analyze(...args: string[]): Promise<{ code: number; words: string }> {
  return new Promise((resolve) => {
    execFile('systemd-analyze', args, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), words: stdout + stderr });
    });
  });
}

/** As it is installed, of the project as it is here. */
function unit(): string {
  const file = join(temporaryFolder(), 'weir-agent.service');
  writeFileSync(file, readFileSync(UNIT, 'utf8').replaceAll('/opt/weir', PROJECT));
  return file;
}

test.skipIf(!isThere())('systemd understands every line of it, and finds what it starts', async () => {
  expect(await analyze('verify', '--man=no', unit())).toEqual({ code: 0, words: '' });
});

test.skipIf(!isThere())('whoever breaks out of the agent gets little of the machine', async () => {
  const { code, words } = await analyze('security', '--offline=true', `--threshold=${EXPOSURE_TENTHS_MAX}`, unit());
  expect(words).toContain('Overall exposure level');
  expect(code, words).toBe(0);
});
