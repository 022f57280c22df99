import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildFunctionBundle, buildRuleBundle, hashBundle, parseBundle } from './bundle.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-bundle-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const good = `
import { defineFunction } from '@weir/runtime/author';
import { twice } from './twice.ts';
export default defineFunction({
  name: 'double', version: '1.2.0', inputs: [{ metric: 'temperature' }],
  reading(r, ctx) { ctx.emit({ metric: 'double', value: twice(r.value as number) }); },
  schedule: [{ name: 'beat', every: '10s', run() {} }],
});`;

describe('a function bundle', () => {
  test('holds the manifest that the module declares, and only what it needs', async () => {
    file('twice.ts', 'export const twice = (n: number): number => n * 2;');
    const { bundle, bytes, hash } = await buildFunctionBundle(file('double.ts', good));
    expect(bundle).toMatchObject({
      kind: 'function',
      manifest: {
        name: 'double',
        version: '1.2.0',
        api: 1,
        inputs: [{ sensor: '*', metric: 'temperature' }],
        handlers: ['reading', 'schedule'],
        schedules: [{ name: 'beat', every: 10_000 }],
        timeoutMs: 250,
        memoryMb: 64,
      },
    });
    expect(parseBundle(bytes)).toEqual(bundle);
    expect(hashBundle(bytes)).toBe(hash);
  });

  test('has the same hash wherever the source lies', async () => {
    file('twice.ts', 'export const twice = (n: number): number => n * 2;');
    const here = await buildFunctionBundle(file('double.ts', good));
    const before = folder;
    folder = mkdtempSync(join(tmpdir(), 'weir-elsewhere-'));
    file('twice.ts', 'export const twice = (n: number): number => n * 2;');
    const there = await buildFunctionBundle(file('double.ts', good));
    rmSync(before, { recursive: true });
    expect(there.hash).toBe(here.hash);
  });

  const refuses = (title: string, source: string, code: string, message: RegExp) =>
    test(title, async () => {
      const building = buildFunctionBundle(file('f.ts', source));
      await expect(building).rejects.toMatchObject({
        name: 'UsageError',
        code,
        message: expect.stringMatching(message),
      });
    });
  refuses(
    'a syntax error is told with file and line',
    'export default {\n  name: ,\n}',
    'bundle-failed',
    /f\.ts:2:\d+/,
  );
  refuses('an import of a Node module is refused', "import 'node:fs'; export default {}", 'bundle-failed', /node:fs/);
  refuses('no default export', 'export const x = 1;', 'bundle-failed', /default/);
  refuses('no handler', "export default { name: 'a', version: '1' }", 'definition-invalid', /handles nothing/);
  refuses('a bad name', "export default { name: 'a b', version: '1', reading() {} }", 'definition-invalid', /name/);
  refuses(
    'both reading and readings',
    "export default { name: 'a', version: '1', reading() {}, readings() {} }",
    'definition-invalid',
    /exclude/,
  );
  refuses('a top level that loops', 'for (;;); export default {}', 'definition-invalid', /timed-out/);
});

describe('a rule bundle', () => {
  test('holds the rule with its defaults', async () => {
    const { bundle } = await buildRuleBundle(file('r.yaml', 'name: hot\nmetric: temperature\nabove: 80\nfor: 10s\n'));
    expect(bundle).toMatchObject({ kind: 'rule', rule: { sensor: '*', above: 80, for: 10_000, severity: 'warning' } });
  });

  const refuses = (title: string, source: string, message: RegExp) =>
    test(title, async () => {
      const building = buildRuleBundle(file('r.yaml', source));
      await expect(building).rejects.toMatchObject({ code: 'rule-invalid', message: expect.stringMatching(message) });
    });
  refuses('a wrong value is told with its line', 'name: hot\nmetric: t\nabove: eighty\n', /r\.yaml:3: above/);
  refuses('broken YAML is told with its line', 'name: hot\nmetric: [t\nabove: 1\n', /r\.yaml:\d/);
  refuses('an unknown key is named', 'name: hot\nmetric: t\nabove: 1\nclaer: 0\n', /claer/);
  refuses(
    'a clear level on the wrong side is refused',
    'name: hot\nmetric: t\nabove: 80\nclear: 85\n',
    /r\.yaml:4: clear/,
  );
});

test('bytes that are no bundle are refused', () => {
  for (const text of ['', '{', '{"weir":2}', '[]']) {
    expect(() => parseBundle(new TextEncoder().encode(text))).toThrowError(
      expect.objectContaining({ code: 'bundle-invalid' }),
    );
  }
});
