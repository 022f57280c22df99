import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makePrivateFolder, readIfThere, removeSecretFile, writeSecretFile } from './secret-file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-secret-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

test('file and folder are for their owner alone, and nothing else is left', async () => {
  const file = join(folder, 'deep', 'key');
  await writeSecretFile(file, 'one');
  await writeSecretFile(file, 'two');
  expect(readFileSync(file, 'utf8')).toBe('two');
  expect([modeOf(file), modeOf(join(folder, 'deep'))]).toEqual(['600', '700']);
  expect(readdirSync(join(folder, 'deep'))).toEqual(['key']);
});

test('what a crash has left aside, readable for all, neither stays nor makes the secret readable', async () => {
  writeFileSync(join(folder, 'key.new'), 'half', { mode: 0o644 });
  await writeSecretFile(join(folder, 'key'), 'whole');
  expect(readdirSync(folder)).toEqual(['key']);
  expect(modeOf(join(folder, 'key'))).toBe('600');
});

test('when it cannot be put in place, what was there stays, and nothing lies beside it', async () => {
  mkdirSync(join(folder, 'key', 'in-the-way'), { recursive: true });
  await expect(writeSecretFile(join(folder, 'key'), 'new')).rejects.toThrow('key');
  expect(readdirSync(folder)).toEqual(['key']);
});

test('one that is removed is gone, also when it was not there', async () => {
  const file = join(folder, 'key');
  await writeSecretFile(file, 'one');
  for (let n = 0; n < 2; n++) await removeSecretFile(file);
  expect(readdirSync(folder)).toEqual([]);
});

test('a folder that others could read is closed to them', async () => {
  chmodSync(folder, 0o755);
  await makePrivateFolder(folder);
  expect(modeOf(folder)).toBe('700');
});

test('a file that is not there is no error, another fault is', async () => {
  expect(await readIfThere(join(folder, 'none'))).toBeUndefined();
  await expect(readIfThere(folder)).rejects.toThrow('EISDIR');
});

test.skipIf(process.getuid?.() === 0)('a folder that cannot be written is told as such, with what to do', async () => {
  chmodSync(folder, 0o500);
  await expect(makePrivateFolder(folder)).rejects.toMatchObject({ code: 'data-unwritable' });
});

test('of a folder that can be written nothing is left behind', async () => {
  await makePrivateFolder(folder);
  expect(readdirSync(folder)).toEqual([]);
});
