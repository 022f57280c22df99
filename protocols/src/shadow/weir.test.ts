import { expect, test } from 'vitest';
import { BUNDLE_BYTES_MAX, bundleSchema, manifestSchema } from '../function/manifest.ts';
import { SHADOW_LIMITS } from './document.ts';
import { weirDesiredSchema, weirReportedSchema } from './weir.ts';

const wanted = { kind: 'rule', version: '0f3c9d2e4b5a', hash: 'ab'.repeat(32), bytes: 412 } as const;

test('twenty-five deployments fit into the 8 KB that AWS gives a shadow, also when some of them failed with a reason', () => {
  const deployments = Object.fromEntries(Array.from({ length: 25 }, (_, at) => [`deployment-${at}`, wanted]));
  const { bytes: _, ...rest } = wanted;
  const running = Object.fromEntries(Object.keys(deployments).map((name) => [name, { ...rest, state: 'running' }]));
  const desired = weirDesiredSchema.parse({ deployments });
  const bytesOf = (reported: object) =>
    JSON.stringify(desired).length + JSON.stringify(weirReportedSchema.parse({ deployments: reported })).length;
  expect(bytesOf(running)).toBeLessThan(SHADOW_LIMITS.bytesMax);
  const instead = { version: '0f3c9d2e4b5a', hash: 'cd'.repeat(32) };
  const failed = { ...rest, state: 'quarantined', reason: 'x'.repeat(100), running: instead };
  const some = Object.fromEntries(Object.entries(running).map(([name, each], at) => [name, at < 3 ? failed : each]));
  expect(bytesOf(some)).toBeLessThan(SHADOW_LIMITS.bytesMax);
});

test('a desired section with a wrong hash or a name that is no name is refused, not run', () => {
  const parse = (name: string, changes: object) =>
    weirDesiredSchema.safeParse({ deployments: { [name]: { ...wanted, ...changes } } }).success;
  expect(parse('oven-hot', {})).toBe(true);
  expect(parse('oven-hot', { hash: '../../etc/passwd' })).toBe(false);
  expect(parse('oven-hot', { bytes: 0 })).toBe(false);
  expect(parse('../x', {})).toBe(false);
  expect(parse('oven-hot', { config: { level: [80, null, { a: true }] } })).toBe(true);
});

test('what an older hub does not know is left out, what an agent must understand is not', () => {
  expect(weirDesiredSchema.parse({ deployments: {}, later: 1 })).toEqual({ deployments: {} });
  const manifest = {
    name: 'mean',
    version: '1',
    api: 1,
    inputs: [{}],
    handlers: ['readings'],
    schedules: [{ name: 'minute', every: '1m' }],
    timeoutMs: 200,
    memoryMb: 64,
  };
  expect(manifestSchema.parse(manifest)).toMatchObject({
    inputs: [{ sensor: '*', metric: '*' }],
    schedules: [{ every: 60_000 }],
  });
  const bundle = { weir: 1, kind: 'function', manifest, code: 'x' };
  expect(bundleSchema.safeParse(bundle).success).toBe(true);
  expect(bundleSchema.safeParse({ ...bundle, weir: 2 }).success).toBe(false);
  expect(bundleSchema.safeParse({ ...bundle, permissions: ['net'] }).success).toBe(false);
  expect(manifestSchema.safeParse({ ...manifest, api: 2 }).success).toBe(false);
  expect(manifestSchema.safeParse({ ...manifest, timeoutMs: 60_000 }).success).toBe(false);
  expect(BUNDLE_BYTES_MAX).toBe(1024 * 1024);
});
