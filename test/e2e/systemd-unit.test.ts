/** The unit that `README.md` tells people to install. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { isInstalled, missingTool } from '../support/tools.ts';

const UNIT = fileURLToPath(new URL('../../edge-agent/packaging/weir-agent.service', import.meta.url));
const PROJECT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
/** Of 10, by what systemd counts; what is left is a network, a user namespace for the sandbox, and a compiler at run time. */
const EXPOSURE_TENTHS_MAX = 22;

const isThere = isInstalled('systemd-analyze');
const why = isThere ? '' : missingTool('systemd-analyze');

function analyze(...args: string[]): Promise<{ code: number; words: string }> {
  return new Promise((resolve) => {
    execFile('systemd-analyze', args, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), words: stdout + stderr });
    });
  });
}

/** As it is installed, of the project as it is here. */
function unit(): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-unit-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'weir-agent.service');
  writeFileSync(file, readFileSync(UNIT, 'utf8').replaceAll('/opt/weir', PROJECT));
  return file;
}

test.skipIf(!isThere)(`systemd understands every line of it, and finds what it starts ${why}`, async () => {
  expect(await analyze('verify', '--man=no', unit())).toEqual({ code: 0, words: '' });
});

test.skipIf(!isThere)(`whoever breaks out of the agent gets little of the machine ${why}`, async () => {
  const { code, words } = await analyze('security', '--offline=true', `--threshold=${EXPOSURE_TENTHS_MAX}`, unit());
  expect(words).toContain('Overall exposure level');
  expect(code, words).toBe(0);
});
