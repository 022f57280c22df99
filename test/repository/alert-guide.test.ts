/** The guide to rules shows what can be used as it is, and names everything that a rule can have. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RULE_KEYS } from '@weir/protocols';
import { buildRuleBundle } from '@weir/runtime';
import { afterAll, expect, test } from 'vitest';
import { repositoryFile } from './files.ts';

const guide = readFileSync(repositoryFile('docs/guides/alert-on-a-threshold.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'weir-guide-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Blocks that begin with a name, or import something: the others are tests, and what a terminal shows. */
const shown = [...guide.matchAll(/^```(yaml|ts)\n((?:name:|import )[\s\S]*?)^```/gm)].map(([, language, text]) => ({
  language: language!,
  text: text!,
}));

test('it shows rules', () => expect(shown.length).toBeGreaterThan(8));

test.each(shown.map((each, n) => ({ ...each, n })))('block $n is a rule', async ({ language, text, n }) => {
  const file = join(folder, `rule${n}.${language}`);
  writeFileSync(file, text);
  expect((await buildRuleBundle(file)).notes).toEqual([]);
});

test('every key of a rule is in it', () => {
  const keys = RULE_KEYS.filter((key) => key !== 'version');
  expect(keys.filter((key) => !new RegExp(`\\b${key}\\b`).test(guide))).toEqual([]);
});
