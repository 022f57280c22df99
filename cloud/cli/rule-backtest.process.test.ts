import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runWeir } from './weir.fixture.ts';

const TRACE = fileURLToPath(new URL('../../devices/traces/machine_temperature.csv', import.meta.url));
const cwd = mkdtempSync(join(tmpdir(), 'weir-backtest-'));
const SERIES = ['--csv', TRACE, '--sensor', 'machine1', '--metric', 'temperature', '--unit', 'Cel'];
const weir = (...args: string[]) => runWeir(['rule', 'backtest', ...args], { cwd, env: { HOME: cwd } }).ended;

beforeAll(() => {
  writeFileSync(join(cwd, 'hot.yaml'), 'name: hot\nsensor: machine*\nmetric: temperature\nabove: 102\nclear: 98\n');
  writeFileSync(
    join(cwd, 'hotter.yaml'),
    'name: hot\nsensor: machine*\nmetric: temperature\nabove: 105\nclear: 98\nfor: 10m\n',
  );
});
afterAll(() => rmSync(cwd, { recursive: true }));

test('over a recorded trace, with no hub: episodes, how many a day, and a picture that fits 80 columns', async () => {
  const { code, out } = await weir('hot.yaml', ...SERIES, '--limit', '3');
  expect(code).toBe(0);
  expect(out).toMatch(/^episodes +\d+ +[\d.]+ a day; \d+ warning$/m);
  expect(out).toMatch(/^messages +\d+/m);
  expect(out).toMatch(/^ +102 ┤/m);
  expect(out).toMatch(/^ +alert │ *▒/m);
  expect(out).toMatch(/^2013-12-1\d .* machine1\/temperature$/m);
  expect(out).toMatch(/… and \d+ more: --limit \d+/);
  expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a pipe has no use for colours
  expect(out).not.toMatch(/\u001b/);
});

test('times and values alone are taken for a series that the rule looks at', async () => {
  const { code, out } = await weir('hot.yaml', '--csv', TRACE);
  expect(code).toBe(0);
  expect(out).toContain('device1/machine1/temperature');
});

test('a file in no order, with times in seconds and line ends of Windows, is gone through in order', async () => {
  const minutes = [...Array(60).keys()].toReversed();
  const rows = minutes.map((minute) => `${1_767_225_600 + minute * 60},${minute >= 20 && minute < 30 ? 103 : 90}`);
  writeFileSync(join(cwd, 'odd.csv'), `\uFEFFtime,temperature\r\n${rows.join('\r\n')}\r\n`);
  const { code, out } = await weir('hot.yaml', '--csv', 'odd.csv', '--json');
  expect(code).toBe(0);
  const { summary, readings } = JSON.parse(out);
  expect({ readings, summary }).toMatchObject({ readings: 60, summary: { episodes: 1, inAlertMs: 600_000 } });
});

test('beside another rule: what a change would have made', async () => {
  const { code, out } = await weir('hotter.yaml', '--compare', 'hot.yaml', ...SERIES);
  expect(code).toBe(0);
  expect(out).toMatch(/both tell of \d+; only the old of [1-9]\d*, only the new of 0/);
  const json = await weir('hotter.yaml', '--compare', 'hot.yaml', ...SERIES, '--json');
  const told = JSON.parse(json.out);
  expect(told).toMatchObject({ readings: 22_695, summary: { open: expect.any(Number) }, comparison: { onlyNew: [] } });
  expect(told.summary.episodes).toBeLessThan(told.comparedWith.summary.episodes);
});

test('what cannot be is misuse, with exit code 2', async () => {
  writeFileSync(join(cwd, 'semicolons.csv'), 'ts;temperature\n2026-01-01;70,5\n');
  for (const [args, message] of [
    [['nothing.yaml', ...SERIES], 'there is no file nothing.yaml'],
    [['hot.yaml', ...SERIES, '--group', 'ovens'], '--csv asks none'],
    [['hot.yaml', ...SERIES, '--since', 'soon'], '--since soon is neither a duration nor a time'],
    [['hot.yaml', '--csv', 'none.csv'], 'there is no file none.csv'],
    [['hot.yaml', '--csv', 'semicolons.csv'], 'semicolons.csv:1: the cells are separated by ;'],
  ] as const) {
    const { code, err } = await weir(...args);
    expect(err).toContain(message);
    expect(code).toBe(2);
  }
});

test('a rule that looks at nothing in the trace fails, and says so', async () => {
  writeFileSync(join(cwd, 'cold.yaml'), 'name: cold\nmetric: pressure\nbelow: 1\n');
  const { code, err } = await weir('cold.yaml', ...SERIES);
  expect(err).toContain('no reading in this time that the rule looks at');
  expect(err).toContain('has machine1/temperature; a column is the metric of its name');
  expect(err).not.toContain('weir device show');
  expect(code).toBe(1);
});
