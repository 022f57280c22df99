/** Boundaries between and within the workspaces, for dependency-cruiser; `ARCHITECTURE.md` tells them in words. */
import { DOORS } from './doors.ts';

const TEST_FILES = '\\.(test|contract|fixture)\\.ts$|^test/|/vitest\\.';

/** Only these workspaces may be imported by that one. */
const LAYERS = {
  protocols: ['protocols'],
  runtime: ['runtime', 'protocols'],
  'edge-agent': ['edge-agent', 'runtime', 'protocols'],
  cloud: ['cloud', 'runtime', 'protocols'],
  devices: ['devices', 'protocols'],
  examples: ['examples', 'runtime', 'protocols'],
};

const WORKSPACES = 'protocols|runtime|edge-agent|cloud|devices|examples|test';

/** What dependency-cruiser makes of a module's name. */
function resolved(module: string): string {
  return module.startsWith('node:') ? `^(node:)?${module.slice('node:'.length)}$` : `^node_modules/${module}/`;
}

const boundaries = {
  forbidden: [
    ...Object.entries(LAYERS).map(([workspace, allowed]) => ({
      name: `${workspace}-imports-only-${allowed.join('-')}`,
      severity: 'error',
      from: { path: `^${workspace}/`, pathNot: `^${workspace}/bin/` },
      to: { path: `^(${WORKSPACES})/`, pathNot: `^(${allowed.join('|')})/` },
    })),
    {
      name: 'workspaces-meet-at-their-index',
      comment: 'Another workspace is imported by its name, and gives what its package.json exports.',
      severity: 'error',
      from: { path: `^(${WORKSPACES})/` },
      to: {
        path: `^(${WORKSPACES})/`,
        pathNot: [
          '^$1/',
          '^[^/]+/src/index\\.ts$',
          '^runtime/src/author/author\\.ts$',
          '^runtime/src/sandbox/hostile\\.ts$',
          '^runtime/src/trust/trust\\.fixture\\.ts$',
          '^runtime/bin/pinned-node\\.js$',
        ],
      },
    },
    {
      name: 'protocols-is-pure',
      comment: 'No io, no clock, no library but the schema checker.',
      severity: 'error',
      from: { path: '^protocols/src/', pathNot: TEST_FILES },
      to: { pathNot: ['^protocols/', '^node_modules/zod/'] },
    },
    {
      name: 'the-command-line-speaks-http',
      comment: 'What the CLI can do, everybody can do over the API. It imports the hub only to start it.',
      severity: 'error',
      from: { path: '^cloud/cli/', pathNot: TEST_FILES },
      to: { path: '^cloud/src/', pathNot: '^cloud/src/main\\.ts$' },
    },
    {
      name: 'production-code-does-not-import-tests',
      severity: 'error',
      from: { pathNot: TEST_FILES },
      to: { path: TEST_FILES },
    },
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'declared-in-package-json',
      severity: 'error',
      from: { pathNot: TEST_FILES },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    ...DOORS.map(({ name, modules, from, why }) => ({
      name: `door-${name.replaceAll(' ', '-')}`,
      comment: why,
      severity: 'error',
      from: { path: `^(${WORKSPACES})/`, pathNot: [TEST_FILES, ...from] },
      to: { path: modules.map(resolved), dependencyTypesNot: ['type-only'] },
    })),
  ],
  options: {
    // TypeScript 7 has no API that dependency-cruiser could use.
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '/fixtures/' },
    combinedDependencies: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.json', '.mjs', '.cjs'],
    },
  },
};

export default boundaries;
