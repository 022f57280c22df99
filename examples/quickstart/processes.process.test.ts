import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Programs, wordsOf } from './processes.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-quickstart-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a quickstart that is killed outright leaves no program behind, and one that ends says why', async () => {
  const data = join(folder, 'hub');
  const fixture = fileURLToPath(new URL('starter.fixture.ts', import.meta.url));
  const starter = spawn(process.execPath, [fixture, data, join(folder, 'first.log')]);
  const line = await new Promise<string>((resolve) => createInterface({ input: starter.stdout }).once('line', resolve));
  const { api } = JSON.parse(line) as { api: number };
  const health = () => fetch(`http://127.0.0.1:${api}/api/v1/health`);
  expect((await health()).status).toBe(200);

  const ended: string[] = [];
  const second = new Programs((_program, _code, lastWords) => ended.push(lastWords));
  const args = ['hub', '--data', data, '--mqtt-port', '0', '--device-port', '0', '--api-port', '0'];
  await expect(second.start('weir', args, join(folder, 'second.log'))).rejects.toThrow('is in use');
  expect(ended).toEqual([expect.stringMatching(/^weir: .*\n {2}\w/)]);

  starter.kill('SIGKILL');
  await vi.waitFor(() => expect(health()).rejects.toThrow(), { timeout: 20_000, interval: 100 });
});

test('of a log for machines the last words are its end', () => {
  expect(wordsOf('{"level":30}\nweir: no\n  do this\n')).toBe('weir: no\n  do this');
  expect(wordsOf('{"a":1}\n{"a":2}\n{"a":3}\n{"a":4}\n')).toBe('{"a":2}\n{"a":3}\n{"a":4}');
});
