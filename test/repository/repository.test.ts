import { existsSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { repositoryFile, trackedFiles } from './files.ts';

const read = (path: string) => readFileSync(repositoryFile(path), 'utf8');
const code = trackedFiles().filter((path) => /\.(ts|js)$/.test(path) && existsSync(repositoryFile(path)));
const text = trackedFiles().filter(
  (path) => !/\.(cbor|csv|png|ico)$|^package-lock\.json$/.test(path) && existsSync(repositoryFile(path)),
);

test('a file over 400 lines says in its first lines why it is one file', () => {
  const long = code
    .map((path) => ({ path, lines: read(path).split('\n') }))
    .filter(({ lines }) => lines.length > 400 && !/\bone file\b/i.test(lines.slice(0, 20).join('\n')))
    .map(({ path, lines }) => `${path}: ${lines.length} lines`);
  expect(long).toEqual([]);
});

test('nothing points into the home of one machine', () => {
  const machine = /(?<![\w.])\/(?:work|root|Users)\/|(?<![\w.])\/home\/(?!pi\b|weir\b)|\b[A-Z]:\\\\?Users\\/;
  const found = text
    .filter((path) => path !== 'test/repository/repository.test.ts')
    .flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, at) => (machine.test(line) ? [`${path}:${at + 1}: ${line.trim()}`] : [])),
    );
  expect(found).toEqual([]);
});

test('no mark of unfinished work is left, and no test is left out or singled out', () => {
  const mark =
    /\b(?:TODO|FIXME|XXX|HACK)\b|\b(?:test|it|describe)(?:\.each\([^)]*\))?\.(?:only|todo|skip)\b|@ts-ignore|@ts-expect-error/;
  const found = code
    .filter((path) => path !== 'test/repository/repository.test.ts')
    .flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, at) => (mark.test(line) ? [`${path}:${at + 1}: ${line.trim()}`] : [])),
    );
  expect(found).toEqual([]);
});

describe('dependencies', () => {
  interface Manifest {
    name: string;
    workspaces?: string[];
    dependencies?: Record<string, string>;
    devDependencies?: Record<string, string>;
    optionalDependencies?: Record<string, string>;
  }
  const root = JSON.parse(read('package.json')) as Manifest;
  const lock = JSON.parse(read('package-lock.json')) as {
    lockfileVersion: number;
    packages: Record<string, { version?: string; integrity?: string; link?: boolean; resolved?: string } & Manifest>;
  };

  test.each(['', ...root.workspaces!])(
    'of workspace "%s" are those of the lockfile, whole versions with a hash',
    (folder) => {
      const manifest = JSON.parse(read(folder === '' ? 'package.json' : `${folder}/package.json`)) as Manifest;
      const wanted = (from: Manifest) => ({
        ...from.dependencies,
        ...from.devDependencies,
        ...from.optionalDependencies,
      });
      expect(wanted(lock.packages[folder]!)).toEqual(wanted(manifest));
      for (const [name, range] of Object.entries(wanted(manifest))) {
        expect(range, name).toMatch(/^[~^]?\d+\.\d+\.\d+$/);
        const locked = lock.packages[`${folder}/node_modules/${name}`] ?? lock.packages[`node_modules/${name}`];
        if (name.startsWith('@weir/')) expect(locked?.link, name).toBe(true);
        else expect(locked?.integrity, name).toMatch(/^sha512-/);
      }
    },
  );

  test('of other platforms are in the lockfile too: `npm ci` refuses one that lacks any', () => {
    const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter((name) => !lock.packages[`${path}/node_modules/${name}`] && !lock.packages[`node_modules/${name}`])
        .map((name) => `${name} of ${path}`),
    );
    expect(missing).toEqual([]);
  });

  test('come from the registry that npm is set up with: the lockfile names no address', () => {
    const addresses = Object.values(lock.packages).filter(({ resolved }) => resolved?.includes('://'));
    expect(addresses).toEqual([]);
  });
});

test('programs are executable', () => {
  const bins = trackedFiles().filter((path) => /^[^/]+\/bin\/weir[^/]*\.js$|^\.ci\/run$/.test(path));
  expect(bins.filter((path) => (statSync(repositoryFile(path)).mode & 0o111) === 0)).toEqual([]);
});
