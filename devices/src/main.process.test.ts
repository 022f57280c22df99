import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openBroker, type TestBroker } from './broker.fixture.ts';

const PROGRAM = fileURLToPath(new URL('../bin/weir-devices.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'weir-devices-'));
afterAll(() => rmSync(folder, { recursive: true }));

let broker: TestBroker;
const children = new Set<ChildProcess>();
beforeEach(async () => {
  broker = await openBroker({ password: 'water' });
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  await broker.close();
});

function start(...args: string[]) {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    output.stdout += text;
  });
  child.stderr.on('data', (text) => {
    output.stderr += text;
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, ...output }));
  return { child, output, ended };
}

function login(): string[] {
  const file = join(folder, 'password');
  writeFileSync(file, 'water\n');
  return ['--port', String(broker.port), '--username', 'sensor', '--password-file', file];
}

const lines = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('simulate: publishes for the seconds asked for and says how it went', async () => {
  const run = start('simulate', '--plant', 'machine-hall', '--rate', '200', '--seconds', '1', '--json', ...login());
  const { code, stdout } = await run.ended;
  expect(code).toBe(0);
  const said = lines(stdout);
  expect(said[0]).toEqual({ event: 'connected' });
  const summary = said.at(-1)!;
  expect(summary).toMatchObject({ event: 'summary', unacknowledged: 0, reconnects: 0 });
  expect(summary.published).toBe(broker.arrived.length);
  expect(summary.acknowledged).toBe(broker.arrived.length);
  expect(broker.arrived.length).toBeGreaterThan(150);
});

test('replay: every row of a trace, with its recorded times on request', async () => {
  const trace = join(folder, 'trace.csv');
  writeFileSync(trace, 'timestamp,value\n2013-12-02 21:15:00,73.5\n2013-12-02 21:20:00,74\n');
  const run = start(
    'replay',
    trace,
    '--sensor',
    'm1',
    '--metric',
    'temperature',
    '--speed',
    '10000',
    '--original-time',
    ...login(),
  );
  const { code, stdout } = await run.ended;
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^ready \{.*\}\n2 readings, 2 acknowledged, 0 not acknowledged, 0 reconnects, in \d+\.\d s\n$/,
  );
  expect(broker.arrived).toEqual([
    { topic: 'plant/m1/temperature', payload: '{"value":73.5,"ts":1386018900000}' },
    { topic: 'plant/m1/temperature', payload: '{"value":74,"ts":1386019200000}' },
  ]);
});

test('Ctrl-C ends it cleanly, with the summary', async () => {
  const run = start('simulate', ...login());
  await vi.waitFor(() => expect(broker.arrived.length).toBeGreaterThan(3), 10_000);
  run.child.kill('SIGINT');
  const { code, stdout } = await run.ended;
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ready \{.*\}\n\d+ readings, \d+ acknowledged, 0 not acknowledged/);
});

test('a wrong password ends it at once, with what to do', async () => {
  const run = start('simulate', '--port', String(broker.port), '--username', 'sensor');
  const { code, stderr } = await run.ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/refused us: .*; see --username and --password-file/);
});

describe('misuse is told from failure', () => {
  test.each<[string[], RegExp]>([
    [[], /Usage: weir-devices/],
    [['simulate', '--plant', 'moon'], /Allowed choices are cold-store, machine-hall, all/],
    [['simulate', '--rate', '0'], /A number over 0 is wanted/],
    [['simulate', '--port', '70000'], /A port, 1 to 65535, is wanted/],
    [['simulate', '--nothing'], /unknown option '--nothing'/],
    [['simulate', '--password-file', '/none/such'], /--password-file: ENOENT/],
    [['replay', 'x.csv'], /required option '--sensor <name>' not specified/],
    [['replay', 'x.csv', '--sensor', 'a/b', '--metric', 'm'], /1 to 64 of letters/],
    [['replay', '/none/such.csv', '--sensor', 's', '--metric', 'm'], /no such file/],
  ])('%j', async (args, message) => {
    const { code, stderr } = await start(...args).ended;
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
