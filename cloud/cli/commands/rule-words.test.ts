import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ruleIn } from '@weir/protocols';
import { buildRuleBundle } from '@weir/runtime';
import { afterAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { writtenRule } from './rule-words.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-rule-words-'));
afterAll(() => rmSync(folder, { recursive: true }));

const EXAMPLES = join(import.meta.dirname, '../../../examples/rules');
const of = (forms: object) => ({ name: 'r', metric: 'm', ...forms });

const RULES: Record<string, object> = {
  'as plain as can be': of({ above: 80 }),
  'every duration of a rule': of({
    ...{ above: 80, for: '30s', keepFiringFor: '1h30m', resolveAfter: '31d', lateness: '1500ms' },
  }),
  'of its end': of({ above: 80, for: '1d', noRecurrence: '90s', lateness: '0s' }),
  'windows of time and of samples': of({ value: { avg: '5m' }, above: { metric: 's', value: { p95: '10 samples' } } }),
  'a window that tumbles': of({ value: { median: { over: '10m', tumbling: true } }, outside: [2, { tag: 'high' }] }),
  'a rate by an hour': of({ value: { rate: '10m', per: '1h' }, below: 3 }),
  'numbers that are no durations': of({ above: 30_000, clear: 20_000, clearAfter: { samples: 3 }, limit: 500 }),
  'labels with names of durations': of({ above: 1, labels: { for: '30', over: '60000' } }),
  'a tree': of({
    when: {
      all: [
        { above: 80, matches: { times: 3, within: '10m' } },
        { any: [{ silentFor: '5m' }, { changesBy: { amount: '20%', within: '1h' } }] },
        { atLeast: 1, of: [{ adaptive: { learn: '7d' } }, { sensor: 'door', metric: 'open', equals: true }] },
      ],
    },
    clearWhen: { below: 70 },
  }),
  'a ladder': of({
    severities: { info: { above: 60 }, critical: { above: 80, matches: { times: 3, within: '90s' } } },
    for: '5m',
  }),
  'what is watched when': of({
    ...{ above: 80, schedule: { zone: 'Europe/Oslo', times: 'Mon-Fri 06:00-22:00', except: '2026-12-24' } },
    ...{ maintenance: [{ times: ['Sat', 'Sun 22:00-06:00'] }], by: 'sensor', manual: true, dryRun: true },
    actuate: { topic: 'plant/siren' },
  }),
};

for (const file of readdirSync(EXAMPLES).filter((name) => /\.ya?ml$/.test(name) && !name.includes('.test.'))) {
  test(`what is shown of ${file} is the same rule when it is applied again`, () =>
    checkRoundTrip(join(EXAMPLES, file)));
}

test.each(Object.keys(RULES))('what is shown is the same rule when it is applied again: %s', (name) => {
  const file = join(folder, 'rule.json');
  writeFileSync(file, JSON.stringify(RULES[name]));
  return checkRoundTrip(file);
});

test('durations are shown as people write them, and other numbers as they are', async () => {
  const file = join(folder, 'rule.yaml');
  writeFileSync(file, stringify(RULES['every duration of a rule']));
  const { bundle } = await buildRuleBundle(file);
  expect(writtenRule(ruleIn(bundle)!)).toMatchObject({
    ...{ above: 80, for: '30s', keepFiringFor: '90m', resolveAfter: '31d', lateness: '1500ms' },
  });
});

/** As JSON, and as YAML. */
async function checkRoundTrip(file: string): Promise<void> {
  const { bundle, hash } = await buildRuleBundle(file);
  const shown = writtenRule(ruleIn(bundle)!);
  for (const [name, text] of [
    ['again.json', JSON.stringify(shown)],
    ['again.yaml', stringify(shown)],
  ] as const) {
    const again = join(folder, name);
    writeFileSync(again, text);
    const built = await buildRuleBundle(again);
    expect(built.bundle, text).toEqual(bundle);
    expect(built.hash, text).toBe(hash);
  }
  expect(parse(stringify(shown))).toEqual(JSON.parse(JSON.stringify(shown)));
}
