import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runWeir } from './weir.fixture.ts';

const RULES = fileURLToPath(new URL('../../examples/rules/', import.meta.url));
const cwd = mkdtempSync(join(tmpdir(), 'weir-rules-'));
/** No hub is there, and none is asked. */
const weir = (...args: string[]) => runWeir(args, { cwd, env: { HOME: cwd } }).ended;

beforeAll(() => cpSync(RULES, join(cwd, 'rules'), { recursive: true }));
afterAll(() => rmSync(cwd, { recursive: true }));

test('the rules of the examples pass, from their folder, as one rule and as one test', async () => {
  for (const what of ['rules', 'rules/oven-too-hot.yaml', 'rules/oven-too-hot.test.yaml']) {
    const { code, out, err } = await weir('rule', 'test', what);
    expect(err).toMatch(/tests passed/);
    expect(out).toContain('ok    fires over 80, not at it, and ends under 75');
    expect(code).toBe(0);
  }
});

test('a rule that was changed fails its tests with exit code 1, the line, what came instead, and a picture', async () => {
  const rule = join(cwd, 'rules/oven-too-hot.yaml');
  const before = readFileSync(rule, 'utf8');
  writeFileSync(rule, before.replace('above: 80', 'above: 82').replace('clear: 75', 'clear: 70'));
  const { code, out, err } = await weir('rule', 'test', rule);
  const json = await weir('rule', 'test', rule, '--json');
  writeFileSync(rule, before);
  expect(out).toContain('FAIL  fires over 80, not at it, and ends under 75');
  expect(out).toContain('- firing critical threshold at 1s of oven1/temperature');
  expect(out).toMatch(/expected │ +█/);
  expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  expect(err).toMatch(/of \d+ tests failed/);
  expect(code).toBe(1);
  const told = JSON.parse(json.out) as { name: string; state: string; line: number; mismatches: unknown[] }[];
  expect(told[0]).toMatchObject({ state: 'failed', line: 3, mismatches: [{ of: 'transitions' }, { of: 'episodes' }] });
  expect(json.code).toBe(1);
});

test('what cannot be run is misuse, with exit code 2 and the line', async () => {
  writeFileSync(join(cwd, 'lonely.test.yaml'), 'tests:\n  - name: it\n    expect: []\n');
  writeFileSync(
    join(cwd, 'odd.test.yaml'),
    'rule: rules/oven-too-hot.yaml\ntests:\n  - name: it\n    input: { temperature: 70y }\n    expect: []\n',
  );
  for (const [file, message] of [
    ['lonely.test.yaml', 'is of which rule?'],
    ['odd.test.yaml', 'odd.test.yaml:4: "70y" is no value'],
    ['nothing.yaml', 'there is no file nothing.yaml'],
  ]) {
    const { code, err } = await weir('rule', 'test', file!);
    expect(err).toContain(message);
    expect(code).toBe(2);
  }
});

test('what a rule says and hardly means is noted: a field that there is not, a unit that nobody knows', async () => {
  writeFileSync(
    join(cwd, 'doubtful.yaml'),
    "name: r\nmetric: t\nabove: 80\nunit: furlong\nsummary: '{sensr} is hot'\n",
  );
  writeFileSync(join(cwd, 'doubtful.test.yaml'), 'tests:\n  - name: it\n    input: { t: 1 }\n    expect: []\n');
  const { code, err } = await weir('rule', 'test', 'doubtful.yaml');
  expect(err).toContain('note: summary: there is no field {sensr}');
  expect(err).toContain('did you mean {sensor}?');
  expect(err).toContain('note: "furlong" is no unit that is known');
  expect(code).toBe(0);
});
