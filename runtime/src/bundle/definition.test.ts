import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { buildFunctionBundle, buildRuleBundle } from './bundle.ts';
import { bundleCode } from './code.ts';
import { definitionPlaces } from './definition.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-definition-'));
afterAll(() => rmSync(folder, { recursive: true }));

const IMPORT = "import { threshold } from '@weir/runtime/author';\n";

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

type Path = (string | number)[];

async function placeOf(source: string, path: Path): Promise<string | undefined> {
  const { code, sourceMap } = await bundleCode(file('r.ts', source));
  const places = await definitionPlaces(code, sourceMap);
  return places.placeOf(places.offsetOf(path));
}

file('shared.ts', "export const shared = {\n  lateness: '5s',\n};\n");

describe('a part of a rule in TypeScript is found where it is written', () => {
  const check = (title: string, source: string, path: Path, expected: string | undefined) =>
    test(title, async () => expect(await placeOf(IMPORT + source, path)).toBe(expected));

  const plain = "export default threshold({\n  name: 'x',\n  severities: { warning: { above: 80 } },\n} as any);";
  check('a key', plain, ['name'], 'r.ts:3:3');
  check('a key within', plain, ['severities', 'warning', 'above'], 'r.ts:4:28');
  check('what is not there: what it is missing from', plain, ['severities', 'info', 'above'], 'r.ts:4:3');
  check('what is missing from the whole', plain, ['metric'], 'r.ts:2:26');

  const lists = "export default threshold({\n  when: { all: [\n    { above: 1 },\n    { 'below': 2 },\n  ] },\n});";
  check('in a list', lists, ['when', 'all', 1, 'below'], 'r.ts:5:7');
  check('of a list that is shorter', lists, ['when', 'all', 5, 'below'], 'r.ts:3:11');

  const named =
    'const rung = {\n  above: 80,\n};\nconst rule = threshold({ severities: { critical: rung } });\nexport default rule;';
  check('behind names', named, ['severities', 'critical', 'above'], 'r.ts:3:3');

  const spread =
    "import { shared } from './shared.ts';\nexport default threshold({ for: '1s', ...shared,\n  name: 'x' });";
  check('in another file', spread, ['lateness'], 'shared.ts:2:3');
  check('beside what is spread', spread, ['for'], 'r.ts:3:28');

  const twice = "const base = { for: '1s' };\nexport default threshold({ ...base,\n  for: '2s' });";
  check('of two the one that counts', twice, ['for'], 'r.ts:4:3');

  const made =
    "function make(name: string) {\n  const unused = 1;\n  return threshold({\n    name,\n    above: unused,\n  });\n}\nexport default make('x');";
  check('in a function that makes rules', made, ['name'], 'r.ts:5:5');

  const computed =
    "export default threshold({\n  severities: Object.fromEntries([['info', { above: 'x' }]]),\n} as any);";
  check('what is computed: where', computed, ['severities', 'info', 'above'], 'r.ts:3:3');
  check('a rule without threshold', 'export default {\n  rule: {},\n};', ['rule'], 'r.ts:3:3');
  check('what cannot be followed: where it is made', 'export default Object.assign({}, {});', ['name'], 'r.ts:2:30');
  check(
    'what stands for itself',
    'const a = { ...b };\nvar b = { ...a };\nexport default threshold(a);',
    ['x'],
    'r.ts:2:11',
  );
});

test('whatever is written, each key is found on its own line', async () => {
  const key = fc.constantFrom('name', 'above', 'when', 'all', 'warning', 'über', 'a-b', '7');
  const { whole } = fc.letrec<{ value: unknown; whole: Record<string, unknown> }>((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, fc.nat(9), fc.array(tie('value'), { maxLength: 3 }), tie('whole')),
    whole: fc.dictionary(key, tie('value'), { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
  }));
  await fc.assert(
    fc.asyncProperty(whole, async (definition) => {
      const text = `export default ${JSON.stringify(definition, undefined, 2)};`;
      const { code, sourceMap } = await bundleCode(file('any.ts', text));
      const places = await definitionPlaces(code, sourceMap);
      for (const { path, line } of linesOf(definition)) {
        expect(places.placeOf(places.offsetOf(path)), `${path}\n${text}`).toMatch(new RegExp(`^any\\.ts:${line}:`));
      }
    }),
    { numRuns: 50 },
  );
}, 60_000);

/** As `JSON.stringify` writes it. */
function linesOf(whole: unknown): { path: Path; line: number }[] {
  const found: { path: Path; line: number }[] = [];
  let line = 1;
  const walk = (value: unknown, path: Path): void => {
    if (typeof value !== 'object' || value === null) return;
    const inner = Object.entries(value);
    for (const [key, each] of inner) {
      line++;
      const at = [...path, Array.isArray(value) ? Number(key) : key];
      found.push({ path: at, line });
      walk(each, at);
    }
    if (inner.length > 0) line++;
  };
  walk(whole, []);
  return found;
}

describe('what is wrong with a module is told with file, line and column', () => {
  const refuses = (title: string, source: string, code: string, message: string, build = buildRuleBundle) =>
    test(title, async () => {
      await expect(build(file('bad.ts', source))).rejects.toMatchObject({ code, message });
    });
  refuses(
    'of a rule, all of it, in the order in which it is written',
    `${IMPORT}export default threshold({\n  name: 'hot', metric: 'm',\n  for: 30,\n  severities: {\n    info: { above: 80 },\n    warning: { above: 'x' },\n  },\n} as any);`,
    'rule-invalid',
    'bad.ts:4:3: for: 30 has no unit: write 30s, or 30ms',
  );
  refuses(
    'of what makes no sense together',
    `${IMPORT}export default threshold({\n  name: 'hot', metric: 'm', above: 80,\n  clear: 90,\n});`,
    'rule-invalid',
    'bad.ts:4:3: clear: must not be over the level `above`: it would be over while it begins',
  );
  refuses(
    'of a rule with a function, whose inputs begin with what it watches',
    `${IMPORT}export default threshold({\n  name: 'hot', metric: 'm', when: () => true,\n  inputs: [\n    { metric: 'a' },\n    { metric: 'b c' },\n  ],\n});`,
    'definition-invalid',
    'bad.ts:6:7: inputs.2.metric: a name, in which * stands for any characters',
  );
  refuses(
    'of what is thrown where it is defined',
    `${IMPORT}const levels: any = {};\nexport default threshold({ name: 'hot', metric: 'm',\n  above: levels.oven.high });`,
    'definition-invalid',
    "bad.ts cannot be loaded: threw: TypeError: Cannot read properties of undefined (reading 'high') (bad.ts:4:22)",
  );
  refuses(
    'of a condition that threshold refuses: where the rule is written',
    `${IMPORT}\nexport default threshold({ name: 'hot', metric: 'm', when: { all: [async () => true] } } as any);`,
    'definition-invalid',
    'bad.ts cannot be loaded: threw: TypeError: a condition of hot is async: it has nothing to wait for, write a plain function (bad.ts:3:16)',
  );
  refuses(
    'of a module without a default export',
    'export const rule = 1;',
    'bundle-failed',
    'bad.ts cannot be bundled:\n  bad.ts: there is no export default',
  );
  refuses(
    'of a function',
    "export default { name: 'f', version: '1',\n  inputs: [{ sensor: 'b c' }],\n  reading() {} };",
    'definition-invalid',
    'bad.ts:2:14: inputs.0.sensor: a name, in which * stands for any characters',
    buildFunctionBundle,
  );
});
