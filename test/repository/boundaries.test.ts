/** The checker is checked: each boundary has a canary that must be caught. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cruise, type ICruiseOptions, type ICruiseResult } from 'dependency-cruiser';
import { afterAll, expect, test } from 'vitest';
import configuration from './boundaries.ts';

const tree = mkdtempSync(join(tmpdir(), 'weir-boundaries-'));
afterAll(() => rmSync(tree, { recursive: true }));

const files: Record<string, string> = {
  'protocols/src/index.ts': "import { readFileSync } from 'node:fs';\nexport const a = readFileSync;",
  'protocols/src/up.ts': "import type { r } from '../../runtime/src/index.ts';\nexport type U = typeof r;",
  'runtime/src/index.ts': 'export const r = 1;',
  'runtime/src/deep.ts': "export { a } from '../../protocols/src/inner.ts';",
  'protocols/src/inner.ts': 'export const a = 1;',
  'edge-agent/src/cloudy.ts': "export { c } from '../../cloud/src/index.ts';",
  'edge-agent/src/functions/disk.ts': "export { DatabaseSync } from 'node:sqlite';",
  'edge-agent/src/functions/socket.ts': "export { connect } from 'node:net';",
  'edge-agent/src/functions/only-a-type.ts': "import type { Socket } from 'node:net';\nexport type S = Socket;",
  'cloud/src/index.ts': 'export const c = 1;',
  'cloud/cli/main.ts': "export { c } from '../src/index.ts';",
  'cloud/src/a.ts': "import { b } from './b.ts';\nexport const a = () => b;",
  'cloud/src/b.ts': "import { a } from './a.ts';\nexport const b = () => a;",
  'cloud/src/tested.ts': "export { t } from './x.test.ts';",
  'cloud/src/x.test.ts': 'export const t = 1;',
  'devices/src/agent.ts': "export { r } from '../../runtime/src/index.ts';",
  'devices/src/lost.ts': "export { z } from './nowhere.ts';",
};

test('every canary is caught, and what is allowed is not', async () => {
  for (const [path, code] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), code);
  }
  const { forbidden, options } = configuration;
  const { output } = await cruise(
    ['.'],
    { ...options, ruleSet: { forbidden }, validate: true, baseDir: tree } as unknown as ICruiseOptions,
    { ...options.enhancedResolveOptions },
  );
  const found = (output as ICruiseResult).summary.violations.map(({ from, rule }) => `${from} ${rule.name}`);
  expect([...new Set(found)].sort()).toEqual([
    'cloud/cli/main.ts the-command-line-speaks-http',
    'cloud/src/a.ts no-circles',
    'cloud/src/tested.ts production-code-does-not-import-tests',
    'devices/src/agent.ts devices-imports-only-devices-protocols',
    'devices/src/lost.ts resolvable',
    'edge-agent/src/cloudy.ts edge-agent-imports-only-edge-agent-runtime-protocols',
    'edge-agent/src/functions/disk.ts door-sqlite',
    'edge-agent/src/functions/socket.ts door-sockets',
    'protocols/src/index.ts door-files',
    'protocols/src/index.ts protocols-is-pure',
    'protocols/src/up.ts protocols-imports-only-protocols',
    'protocols/src/up.ts protocols-is-pure',
    'runtime/src/deep.ts workspaces-meet-at-their-index',
  ]);
});
