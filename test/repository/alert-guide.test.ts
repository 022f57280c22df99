/** The guide to rules shows what can be used as it is, and names everything that a rule can have. */
import { readFileSync } from 'node:fs';
import { ruleSchema } from '@weir/protocols';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { ruleShape } from '../../protocols/src/alert/rule-shape.ts';
import { repositoryFile } from './files.ts';

const guide = readFileSync(repositoryFile('docs/guides/alert-on-a-threshold.md'), 'utf8');
const shown = [...guide.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, text]) => text!);
const rules = shown.map((text) => parse(text) as Record<string, unknown>).filter((each) => 'name' in each);

test('it shows rules', () => expect(rules.length).toBeGreaterThan(8));

test.each(rules)('the rule $name is one', (rule) => {
  expect(ruleSchema.safeParse(rule).error?.issues).toBeUndefined();
});

test('every key of a rule is in it', () => {
  const keys = Object.keys(ruleShape).filter((key) => key !== 'version');
  expect(keys.filter((key) => !new RegExp(`\\b${key}\\b`).test(guide))).toEqual([]);
});
