import { columnsOf } from '@weir/protocols';
import { afterEach, expect, test, vi } from 'vitest';
import { launchSandbox } from './isolation.ts';
import { SandboxProcess } from './process.ts';

const DEADLINE_MS = 20_000;
const columns = columnsOf([{ sensor: 's', metric: 'm', value: 1, ts: 5_000 }]);
const unit = {
  key: 'unit',
  code: `globalThis.__weirDefinition = { name: 'f', version: '1', reading(r, ctx) { ctx.log('here') } }`,
  config: '{}',
  timeoutMs: 5_000,
  memoryMb: 32,
};

/** The process that ran when another was started; undefined: none did. */
let started: (number | undefined)[] = [];
let box: SandboxProcess;

function start(): Promise<void> {
  started = [];
  box = new SandboxProcess({
    rssBytesMax: 400 * 2 ** 20,
    parallel: 2,
    log: () => {},
    launch: (bare) => {
      started.push(box?.pid);
      return launchSandbox(bare);
    },
  });
  return box.start();
}

/** In place of a sandbox: loads what it is given, and tells of each step that it timed out after so much work. */
const TIMES_OUT = (cpuUs: number) => `
  const host = new (require('node:net').Socket)({ fd: 3, readable: true, writable: true });
  const answer = (id, kind, failure, cpuUs) => {
    const bytes = Buffer.alloc(24);
    [24, id, kind | (failure << 8), 5_000_000, cpuUs, 0].forEach((number, at) => bytes.writeUInt32LE(number, at * 4));
    host.write(bytes);
  };
  answer(0, 0, 0, 0);
  let rest = Buffer.alloc(0);
  host.on('data', (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 24 && rest.length >= rest.readUInt32LE(0)) {
      const isStep = rest[8] === 2;
      answer(rest.readUInt32LE(4), isStep ? 3 : 1, 1, ${cpuUs});
      if (isStep) process.stderr.write('s');
      rest = rest.subarray(rest.readUInt32LE(0));
    }
  });
  host.on('close', () => process.exit());
`;

afterEach(() => box.stop());

async function killed(): Promise<number> {
  const { pid } = box;
  process.kill(pid!, 'SIGKILL');
  await vi.waitFor(() => expect(box.pid).not.toBe(pid), DEADLINE_MS);
  await box.start();
  return pid!;
}

function step() {
  const request = { instance: 'd', revision: 0, states: [], device: 'd', seed: 7, receivedAt: 0, columns };
  return box.submit(unit, request);
}

test('as long as nothing kills it, a device has one sandbox process and not two', async () => {
  await start();
  for (let i = 0; i < 20; i++) expect(await step()).toMatchObject({ kind: 'returned' });
  expect(started).toEqual([undefined]);
});

test('after a kill a spare process stands by, and the next kill is answered by it', { timeout: 60_000 }, async () => {
  await start();
  await killed();
  expect(await step()).toMatchObject({ kind: 'returned' });
  await vi.waitFor(() => expect(started).toEqual([undefined, undefined, box.pid]), DEADLINE_MS);
  await killed();
  expect(started.slice(3), 'nothing had to be started for it').not.toContain(undefined);
  expect(await step()).toMatchObject({ kind: 'returned' });
});

test('who stops the sandbox while a spare is under way leaves no process behind', { timeout: 60_000 }, async () => {
  await start();
  await killed();
  await vi.waitFor(() => expect(started).toHaveLength(3), DEADLINE_MS);
  await box.stop();
  await vi.waitFor(() => expect(process.getActiveResourcesInfo()).not.toContain('ProcessWrap'), DEADLINE_MS);
  await expect(step()).resolves.toMatchObject({ kind: 'crashed' });
});

test.each([
  ['had a core for most of its time is told so at once', 4_000_000, 1],
  ['had none is run again, since the machine is busy, but not for ever', 100_000, 3],
])('a step that timed out and %s', async (_, cpuUs, runs) => {
  let ran = 0;
  started = [];
  box = new SandboxProcess({
    rssBytesMax: 400 * 2 ** 20,
    parallel: 2,
    log: (_level, message) => {
      ran += message.replace('sandbox: ', '').length;
    },
    launch: async () => {
      const program = TIMES_OUT(cpuUs);
      return { command: process.execPath, args: ['--input-type=commonjs', '-'], cwd: '/', env: {}, program };
    },
  });
  await box.start();
  expect(await step()).toMatchObject({ kind: 'timed-out', usage: { cpuUs } });
  await vi.waitFor(() => expect(ran).toBe(runs), DEADLINE_MS);
});
