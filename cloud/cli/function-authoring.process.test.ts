/** The way of somebody who writes a function, command by command, in a folder that is no clone. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Aedes } from 'aedes';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';

const WAIT = { timeout: 30_000 };

const WEIR = fileURLToPath(new URL('../bin/weir.js', import.meta.url));
const TSC = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-authoring-'));
  file('trace.csv', 'ts,value\n1700000000000,1\n1700000001000,2\n1700000002000,3\n');
  file('add.ts', adding(''));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

const adding = (extra: string) => `import { defineFunction } from '@weir/runtime/author';
export default defineFunction<{ sum: number }, { by?: number }>({
  name: 'add', version: '1.0.0', state: () => ({ sum: 0 }),
  reading(r, ctx) {
    ${extra}
    ctx.state.sum += Number(r.value) * (ctx.config.by ?? 1);
    ctx.emit({ metric: 'sum', value: ctx.state.sum });
  },
});
`;

interface Ran {
  out: string;
  err: string;
  code: number | null;
}

function start(...args: string[]): { child: ChildProcess; ran: Ran; ended: Promise<Ran> } {
  const child = spawn(process.execPath, [WEIR, 'fn', ...args], { cwd: folder, env: { PATH: process.env.PATH } });
  const ran: Ran = { out: '', err: '', code: null };
  child.stdout.on('data', (chunk: Buffer) => (ran.out += chunk));
  child.stderr.on('data', (chunk: Buffer) => (ran.err += chunk));
  const ended = once(child, 'close').then(([code]) => ({ ...ran, code: code as number | null }));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, ran, ended };
}
const fn = (...args: string[]) => start(...args).ended;
const SERIES = ['--sensor', 's', '--metric', 'm'];

test('a new function has types, a trace and a golden file that it meets; nothing is ever overwritten', async () => {
  expect(await fn('new', 'oven-mean', '--dir', 'functions')).toMatchObject({ code: 0 });
  const at = 'functions/oven-mean';
  const files = readdirSync(join(folder, at), { recursive: true }).sort();
  expect(files).toEqual([
    'README.md',
    'oven-mean.golden.jsonl',
    'oven-mean.trace.csv',
    'oven-mean.ts',
    'tsconfig.json',
    'types',
    'types/weir',
    'types/weir/author.ts',
    'types/weir/threshold.ts',
  ]);
  await promisify(execFile)(process.execPath, [TSC, '-p', join(folder, at)]);
  const golden = `${at}/oven-mean.golden.jsonl`;
  const tested = await fn('test', `${at}/oven-mean.ts`, '--readings', `${at}/oven-mean.trace.csv`, '--golden', golden);
  expect(tested).toMatchObject({ code: 0, err: `${golden}: as it should be\n` });
  expect(read(golden)).toContain('"state":"resolved"');

  writeFileSync(join(folder, at, 'oven-mean.ts'), 'mine');
  const again = await fn('new', 'oven-mean', '--dir', 'functions');
  expect([again.code, again.err]).toEqual([2, expect.stringContaining('is there already')]);
  expect(read(`${at}/oven-mean.ts`)).toBe('mine');
});

test('a test shows outputs, state, timing and limits, for people and as JSON', async () => {
  const { code, out } = await fn('test', 'add.ts', '--readings', 'trace.csv', ...SERIES, '--config', 'by=10');
  expect(code).toBe(0);
  expect(out).toMatch(/^add@1\.0\.0\n\nemit +2023-11-14T22:13:20\.000Z +s\/sum 10\n/);
  expect(out).toMatch(
    /state +\{"sum":60\}\nreadings +3 of 3 .*\noutputs +3 emit\na step +p50 .* p99 .*\na reading .*\nused .*\non Lambda +\$.*\nlimits hit +none\n$/,
  );

  const json = await fn('test', 'add.ts', '--readings', 'trace.csv', ...SERIES, '--batch', '1', '--json');
  expect(JSON.parse(json.out)).toMatchObject({
    name: 'add',
    steps: 3,
    readings: 3,
    state: { sum: 6 },
    outputs: [{ emit: { value: 1 } }, { emit: { value: 3 } }, { emit: { value: 6 } }],
    usage: { invocations: 3, readings: 3, errors: 0, outputs: 3 },
    lambda: { oneByOne: { requests: 1e6 } },
    timing: { stepMs: { p50: expect.any(Number), p99: expect.any(Number) } },
    limits: {},
  });
});

test('a golden file is made once, met, and what differs from it fails with the difference', async () => {
  const golden = ['--readings', 'trace.csv', ...SERIES, '--golden', 'add.golden.jsonl'];
  expect(await fn('test', 'add.ts', ...golden)).toMatchObject({ code: 2, err: expect.stringContaining('--update') });
  expect(await fn('test', 'add.ts', ...golden, '--update')).toMatchObject({ code: 0 });
  expect(read('add.golden.jsonl')).toBe(
    `${[1, 3, 6].map((value, at) => `{"emit":{"sensor":"s","metric":"sum","value":${value},"ts":${1_700_000_000_000 + at * 1000}}}\n`).join('')}{"state":{"sum":6}}\n`,
  );
  expect(await fn('test', 'add.ts', ...golden, '--batch', '1')).toMatchObject({ code: 0 });
  const { code, err } = await fn('test', 'add.ts', ...golden, '--config', 'by=2');
  expect([code, err]).toEqual([
    1,
    expect.stringMatching(/differs\n@@ line 1 @@[\s\S]*\n- .*"value":1,[\s\S]*\n\+ .*"value":2,/),
  ]);
});

test('an error names the line that was written, and a limit is named as such', async () => {
  const caught = "try { throw new Error('kept'); } catch (error) { ctx.log.error(error); }";
  file('throws.ts', adding(`${caught} if (r.value === 2) throw new Error('two');`));
  const thrown = await fn('test', 'throws.ts', '--readings', 'trace.csv', ...SERIES);
  expect(thrown).toMatchObject({ code: 1, err: 'weir: 1 error\n' });
  expect(thrown.out).toMatch(/ERROR .* Error: two at throws\.ts:5:\d+ +\(s\/m 2 was left out\)/);
  expect(thrown.out).toMatch(/error +\S+ +Error: kept +at Object\.reading \(throws\.ts:5:\d+\)\n/);
  expect(thrown.out).toMatch(/ {6}at Object\.reading \(throws\.ts:5:\d+\)\n/);

  file('loops.ts', adding('if (r.value === 2) for (;;);'));
  const looped = await fn('test', 'loops.ts', '--readings', 'trace.csv', ...SERIES, '--batch', '1');
  expect(looped.out).toMatch(/ERROR +timed-out: .*[\s\S]*limits hit +time \(once\)/);
});

test('while it is written it runs whenever it is saved, also after a fault, until Ctrl-C, which is no failure', async () => {
  file('work.ts', adding("ctx.log('first');"));
  const { child, ran, ended } = start('run', 'work.ts', '--watch', '--readings', 'trace.csv', ...SERIES);
  await vi.waitFor(() => expect(ran.out).toMatch(/first[\s\S]*limits hit/), WAIT);
  file('work.ts', adding('syntax error'));
  await vi.waitFor(() => expect(ran.err).toMatch(/work\.ts:5:\d+: Expected/), WAIT);
  file('work.ts', adding("ctx.log('second');"));
  await vi.waitFor(() => expect(ran.out).toMatch(/second[\s\S]*limits hit/), WAIT);
  child.kill('SIGINT');
  expect((await ended).code).toBe(0);
});

async function openBroker() {
  const aedes = await Aedes.createBroker();
  aedes.authenticate = (_client, username, password, done) =>
    done(null, username === 'sensor' && password?.toString() === 'secret');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    aedes.handle(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const publish = (topic: string, payload: string) =>
    aedes.publish(
      { cmd: 'publish', topic, payload: Buffer.from(payload), qos: 0, retain: false, dup: false },
      () => {},
    );
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
    await new Promise<void>((done) => aedes.close(done));
  };
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, publish, close };
}

test('it runs over what sensors send now, until Ctrl-C; a broker that goes away is a failure', async () => {
  const broker = await openBroker();
  file('password', 'secret\n');
  const live = ['run', 'add.ts', '--broker', broker.address, '--password-file', 'password'];
  const { child, ran, ended } = start(...live);
  await vi.waitFor(() => expect(ran.err).toContain('Running over'), WAIT);
  broker.publish('plant/oven1/temperature', '20');
  broker.publish('plant/oven1/temperature', 'nonsense');
  await vi.waitFor(() => expect(ran.out).toMatch(/emit +\S+ +oven1\/sum 20\n/), WAIT);
  expect(ran.err).toContain('plant/oven1/temperature: ');
  child.kill('SIGINT');
  const { code, err } = await ended;
  expect([code, err]).toEqual([0, expect.stringContaining('state  {"sum":20}')]);

  const left = start(...live);
  await vi.waitFor(() => expect(left.ran.err).toContain('Running over'), WAIT);
  await broker.close();
  expect(await left.ended).toMatchObject({
    code: 1,
    err: expect.stringContaining('the connection to the broker ended'),
  });
  expect(await fn(...live)).toMatchObject({ code: 1, err: expect.stringContaining('no broker at 127.0.0.1') });
});

test('times and values alone are readings of a series that the function takes', async () => {
  expect(await fn('test', 'add.ts', '--readings', 'trace.csv')).toMatchObject({
    code: 0,
    out: expect.stringContaining('readings    3 of 3 matched its inputs'),
  });
});

describe('misuse ends with 2 and says what to do', () => {
  test.each([
    [['new', 'two words'], 'no name of a function'],
    [['test', 'add.ts'], '--readings'],
    [['test', 'add.ts', '--readings', 'none.csv'], 'there is no file none.csv'],
    [['test', 'add.ts', '--readings', 'trace.csv', ...SERIES, '--update'], '--golden FILE'],
    [['test', 'add.ts', '--readings', 'trace.csv', ...SERIES, '--tail', 'soon'], 'is no duration'],
    [['test', 'add.ts', '--readings', 'trace.csv', ...SERIES, '--batch', '0'], 'at least one reading'],
    [['test', 'none.ts', '--readings', 'trace.csv', ...SERIES], 'there is no file none.ts'],
    [['run', 'add.ts'], '--broker HOST:PORT'],
    [['run', 'add.ts', '--broker', 'nowhere'], 'is no host:port'],
    [['run', 'add.ts', '--broker', 'a:1', '--password-file', 'none'], 'none cannot be read'],
  ])('weir fn %j', async (args, words) => {
    const { code, out, err } = await fn(...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(words);
    expect(err).not.toMatch(/\n\s+at /);
  });
});
