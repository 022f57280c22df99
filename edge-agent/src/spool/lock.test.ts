import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../temporary-folder.fixture.ts';
import { lockFile } from './lock.ts';

const lockPath = () => join(temporaryFolder(), 'lock');

test('a second agent on the same data is refused, with what to do about it', () => {
  const path = lockPath();
  const lock = lockFile(path, '/data/agent');
  expect(() => lockFile(path, '/data/agent')).toThrowError(
    expect.objectContaining({
      name: 'UsageError',
      code: 'data-in-use',
      message: 'another agent is running on /data/agent',
    }),
  );
  lock.release();
  lock.release();
  lockFile(path, '/data/agent').release();
});

test('the lock of a killed process is free at once', async () => {
  const path = lockPath();
  const script = `const { lockFile } = await import(process.argv[1]);
    globalThis.lock = lockFile(process.argv[2], ''); process.stdout.write('locked'); setInterval(() => {}, 1000);`;
  const module = new URL('./lock.ts', import.meta.url).href;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, module, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  expect(() => lockFile(path, '')).toThrow('another agent is running');
  child.kill('SIGKILL');
  await once(child, 'exit');
  lockFile(path, '').release();
});
