import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Control, createControl } from '../src/api/control.fixture.ts';
import { weirIn } from './weir.fixture.ts';

let folder: string;
let control: Control;
let url: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weir-rules-'));
  writeFileSync(join(folder, 'hot.yaml'), 'name: hot\nmetric: temperature\nabove: 80\n');
  writeFileSync(join(folder, 'cold.yaml'), 'name: cold\nmetric: temperature\nbelow: 2\ndryRun: true\n');
  control = await createControl({ unsigned: true });
  url = await control.listen();
  await control.fleet.createGroup('ovens');
});
afterEach(async () => {
  await control.close();
  rmSync(folder, { recursive: true });
});

const weir = (...args: string[]) => weirIn(folder, { url, apiKey: control.apiKey }, args);

test('a rule on trial is told from one that tells somebody, in the list, as JSON and with its group', async () => {
  for (const args of [['hot.yaml'], ['cold.yaml']]) {
    expect((await weir('rule', 'apply', ...args, '--group', 'ovens', '--no-wait')).code).toBe(0);
  }
  const { out } = await weir('rule', 'list');
  expect(out).toMatch(/^RULE +VERSION +GROUP +WHERE +TELLS /);
  expect(out).toMatch(/hot +\w+ +ovens +edge +yes +\d/);
  expect(out).toMatch(/cold +\w+ +ovens +edge +nobody: dry run +\d/);
  const listed = JSON.parse((await weir('rule', 'list', '--json')).out) as { name: string; dryRun: boolean }[];
  expect(Object.fromEntries(listed.map(({ name, dryRun }) => [name, dryRun]))).toEqual({ hot: false, cold: true });
  expect((await weir('group', 'show', 'ovens')).out).toMatch(/rule \(dry run\) +cold /);
  // It is taken off trial by being applied again.
  writeFileSync(join(folder, 'cold.yaml'), 'name: cold\nmetric: temperature\nbelow: 2\n');
  expect((await weir('rule', 'apply', 'cold.yaml', '--group', 'ovens', '--no-wait')).code).toBe(0);
  expect((await weir('rule', 'list')).out).toMatch(/cold +\w+ +ovens +edge +yes +\d/);
});
