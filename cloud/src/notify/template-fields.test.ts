import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { alertOf, sampleMessage } from './message.fixture.ts';
import { templateFields } from './template-fields.ts';

test('docs/operations/alerts.md lists what a template may say, as it is', () => {
  const document = readFileSync(new URL('../../../docs/operations/alerts.md', import.meta.url), 'utf8');
  const tables = document.split(/\| field \| of (?:a message|an alert) \|/).slice(1);
  const listed = tables.map((table) => {
    const rows = table
      .split('\n\n')[0]!
      .split('\n')
      .filter((row) => row.startsWith('| `'));
    return rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`(\w+)`/g)].map(([, name]) => name)).sort();
  });
  const fields = templateFields(sampleMessage([alertOf()]), 'on-call');
  expect(listed).toEqual([Object.keys(fields).sort(), Object.keys(fields.alerts[0]!).sort()]);
});
