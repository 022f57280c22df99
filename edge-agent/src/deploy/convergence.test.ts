import type { WantedDeployment } from '@weir/protocols';
import type { FoldStatus } from '@weir/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDesired, patchOf, reportDeployments, targetOf } from './convergence.ts';

const hash = (letter: string) => letter.repeat(64);
const wanted = (letter: string, config = {}): WantedDeployment => ({
  kind: 'rule',
  version: letter,
  hash: hash(letter),
  bytes: 10,
  config,
});
const kept = (name: string, letter: string, config = '{}', quarantined: string | null = null) => ({
  name,
  hash: hash(letter),
  config,
  quarantined,
});
const keptMap = (...list: ReturnType<typeof kept>[]) => new Map(list.map((each) => [each.name, each]));

describe('what shall run', () => {
  const names = (target: { name: string; hash: string }[]) => target.map(({ name, hash }) => `${name}@${hash[0]}`);

  test('what is wanted and at hand; else what runs under that name; nothing that is not wanted', () => {
    const target = targetOf(
      new Map([
        ['new', wanted('a')],
        ['better', wanted('b')],
        ['unreachable', wanted('c')],
        ['far', wanted('d')],
      ]),
      keptMap(kept('better', 'x'), kept('unreachable', 'y'), kept('gone', 'z')),
      new Set([hash('a'), hash('b')]),
    );
    expect(names(target)).toEqual(['better@b', 'new@a', 'unreachable@y']);
  });

  test('a wish that is not understood leaves what runs alone', () => {
    const { wanted, faults } = parseDesired({ deployments: { odd: { kind: 'magic' }, fine: { ...wantedJson('a') } } });
    expect([...wanted.keys()]).toEqual(['fine']);
    expect(faults[0]).toMatch(/^odd: kind: /);
    expect(names(targetOf(wanted, keptMap(kept('odd', 'o')), new Set([hash('a')]), new Set(['odd'])))).toEqual([
      'fine@a',
      'odd@o',
    ]);
  });

  test('quarantine holds until another bundle or another configuration comes', () => {
    const before = keptMap(kept('f', 'a', '{"level":1}', 'loops'));
    const at = (next: WantedDeployment) =>
      targetOf(new Map([['f', next]]), before, new Set([hash('a'), hash('b')]))[0]!;
    expect(at(wanted('a', { level: 1 })).quarantined).toBe('loops');
    expect(at(wanted('a', { level: 2 })).quarantined).toBeNull();
    expect(at(wanted('b', { level: 1 })).quarantined).toBeNull();
  });
});

function wantedJson(letter: string) {
  return { kind: 'rule', version: letter, hash: hash(letter), bytes: 10 };
}

test('each wanted deployment is reported by what is known of it', () => {
  const status = (name: string, letter: string, state: FoldStatus['state'], reason?: string): FoldStatus => {
    const base: FoldStatus = {
      name,
      kind: 'rule',
      version: letter,
      hash: hash(letter),
      state,
      errors: 1,
      steps: 1,
      readings: 1,
    };
    return reason === undefined ? base : { ...base, reason };
  };
  const report = reportDeployments(
    new Map(['runs', 'broken', 'missing', 'coming', 'tried'].map((name) => [name, wanted('a')])),
    keptMap(kept('runs', 'a'), kept('broken', 'a'), kept('missing', 'x')),
    {
      failures: new Map([
        ['missing', { hash: hash('a'), reason: 'the hub answered 404 for the bundle' }],
        ['coming', { hash: hash('b'), reason: 'of an earlier wish' }],
      ]),
      stages: new Map([
        ['tried', { hash: hash('a'), state: 'starting' as const }],
        ['coming', { hash: hash('b'), state: 'staged' as const }],
      ]),
      candidates: [],
      candidateFailures: new Map(),
    },
    [
      status('runs', 'a', 'running'),
      status('broken', 'a', 'quarantined', 'x'.repeat(500)),
      status('missing', 'x', 'running'),
    ],
  );
  const base = { kind: 'rule', version: 'a', hash: hash('a') };
  expect(report).toEqual({
    runs: { ...base, state: 'running', errors: 1 },
    broken: { ...base, state: 'quarantined', errors: 1, reason: 'x'.repeat(300) },
    missing: {
      ...base,
      state: 'failed',
      reason: 'the hub answered 404 for the bundle',
      running: { version: 'x', hash: hash('x') },
    },
    coming: { ...base, state: 'fetching' },
    tried: { ...base, state: 'starting' },
  });
});

test('a patch makes of what the hub knows what is, and says nothing when nothing changed', () => {
  const leaf = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom('a', 'b'));
  const tree = fc.dictionary(
    fc.constantFrom('k', 'l', 'm'),
    fc.oneof(leaf, fc.dictionary(fc.constantFrom('x', 'y'), leaf, { noNullPrototype: true })),
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(tree, tree, (known, actual) => {
      const patch = patchOf(known, actual);
      const merged = patch === undefined ? known : merge(known, patch);
      expect(merged).toEqual(actual);
      expect(patchOf(actual, actual)).toBeUndefined();
    }),
  );
});

test.each(['constructor', '__proto__', 'toString'])('a deployment named %s is reported, and its end too', (name) => {
  const { wanted } = parseDesired(JSON.parse(`{"deployments":{"${name}":${JSON.stringify(wantedJson('a'))}}}`));
  const report = reportDeployments(
    wanted,
    new Map(),
    { failures: new Map(), stages: new Map(), candidates: [], candidateFailures: new Map() },
    [],
  );
  expect(Object.entries(report)).toEqual([[name, expect.objectContaining({ state: 'fetching' })]]);
  const patch = (known: object, actual: object) => JSON.stringify(patchOf({ ...known }, { ...actual }));
  expect(patch({}, { deployments: report })).toBe(`{"deployments":${JSON.stringify(report)}}`);
  expect(patch({ deployments: report }, { deployments: {} })).toBe(`{"deployments":{"${name}":null}}`);
});

/** As a shadow does: null deletes, objects merge. */
function merge(into: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...into };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else if (typeof value === 'object') merged[key] = merge(objectOr(into[key]), value as Record<string, unknown>);
    else merged[key] = value;
  }
  return merged;
}

function objectOr(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
