import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** Makes this Node say that it is an older one; the pinned one, started next, is not told so. */
const OLDER = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })";
const AS_OLDER = ['--import', `data:text/javascript,${encodeURIComponent(OLDER)}`];

let folder: string;
let script: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-pinned-'));
  script = join(folder, 'program.mjs');
  const module = new URL('./pinned-node.js', import.meta.url);
  writeFileSync(
    script,
    `import { onPinnedNode } from '${module}';
     await onPinnedNode(import.meta.url, async () => {
       const [what] = process.argv.slice(2);
       if (what === 'fail') process.exitCode = 7;
       if (what === 'die') process.kill(process.pid, 'SIGKILL');
       if (what === 'wait') {
         process.on('SIGTERM', () => process.exit(3));
         setInterval(() => {}, 1000);
       }
       console.log(JSON.stringify({ major: Number.parseInt(process.versions.node), args: process.argv.slice(2) }));
     });`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const run = (flags: string[], ...args: string[]) =>
  spawnSync(process.execPath, [...flags, script, ...args], { encoding: 'utf8' });

describe.each([
  ['a Node that is new enough', []],
  ['an older Node', AS_OLDER],
])('under %s', (_what, flags) => {
  test('the program runs on one that reads TypeScript, with its arguments', () => {
    const { stdout, status } = run(flags, 'a b', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ args: ['a b', '--json'] });
    expect(JSON.parse(stdout).major).toBeGreaterThanOrEqual(24);
    expect(status).toBe(0);
  });

  test('its exit code is kept', () => {
    expect(run(flags, 'fail').status).toBe(7);
  });

  test('a signal reaches it, so that a supervisor can stop it', async () => {
    const child = spawn(process.execPath, [...flags, script, 'wait'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([3, null]);
  });
});

test('a program that was killed is told the way a shell tells it', () => {
  expect(run(AS_OLDER, 'die').status).toBe(128 + 9);
});
