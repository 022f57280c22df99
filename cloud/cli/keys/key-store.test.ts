import { createPrivateKey, createPublicKey, verify } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keyFolder } from './folder.ts';
import { environmentKey, parsePublicKey } from './key.ts';
import { KeyStore } from './key-store.ts';
import { askNewPassphrase, type Terminal } from './passphrase.ts';

const PASSPHRASE = 'correct horse battery';

let folder: string;
let store: KeyStore;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-keys-'));
  store = new KeyStore(join(folder, 'keys'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const nobody = (env: NodeJS.ProcessEnv = {}): Terminal => ({
  env,
  input: { isTTY: false } as NodeJS.ReadStream,
  write: () => {},
});

test('a key is a file for its owner alone, which signs what its public part verifies', async () => {
  const made = await store.create('release', undefined);
  expect(statSync(made!.file).mode & 0o777).toBe(0o600);
  expect(statSync(store.folder).mode & 0o777).toBe(0o700);
  const [found] = await store.list();
  expect(found).toMatchObject({ name: 'release', keyid: made!.keyid, public: made!.public, isEncrypted: false });
  const signature = (await found!.open(nobody())).sign(Buffer.from('x'));
  expect(verify(null, Buffer.from('x'), createPublicKey(readFileSync(made!.file)), signature)).toBe(true);
});

test('a name is taken once, also by two that want it at the same time', async () => {
  const made = await Promise.all([store.create('root', undefined), store.create('root', undefined)]);
  expect(made.filter((key) => key !== undefined)).toHaveLength(1);
  expect(await store.freeName('root')).toBe('root-2');
  expect((await store.list()).map(({ name }) => name)).toEqual(['root']);
  await expect(store.create('../root', undefined)).rejects.toThrow('cannot be the name');
});

test('a key with a passphrase shows its public part without, and opens only with the right one', async () => {
  const made = await store.create('root', PASSPHRASE);
  expect(readFileSync(made!.file, 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY');
  const [found] = await store.list();
  expect(found).toMatchObject({ keyid: made!.keyid, isEncrypted: true });
  expect((await found!.open(nobody({ WEIR_KEY_PASSPHRASE: PASSPHRASE }))).sign(Buffer.from('x'))).toHaveLength(64);
  await expect(found!.open(nobody({ WEIR_KEY_PASSPHRASE: 'wrong' }))).rejects.toThrow('the passphrase is wrong');
  await expect(found!.open(nobody())).rejects.toThrow('no terminal to ask');
});

test('a key that others may read is not used', async () => {
  const made = await store.create('release', undefined);
  chmodSync(made!.file, 0o640);
  await expect(store.list()).rejects.toThrow('others may read');
});

test('a public part that belongs to another key is found out', async () => {
  const [a, b] = [await store.create('a', undefined), await store.create('b', undefined)];
  const [ours, theirs] = [readFileSync(a!.file, 'utf8'), readFileSync(b!.file, 'utf8')];
  writeFileSync(
    a!.file,
    ours.slice(0, ours.indexOf('-----BEGIN PUBLIC')) + theirs.slice(theirs.indexOf('-----BEGIN PUBLIC')),
  );
  const [found] = await store.list();
  await expect(found!.open(nobody())).rejects.toThrow('do not belong together');
});

describe('the key of CI', () => {
  test('comes as PEM, as base64 of PEM, as base64 of PKCS#8, and with line ends that were written out', async () => {
    const made = await store.create('ci', undefined);
    const pem = readFileSync(made!.file, 'utf8');
    const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
    for (const text of [
      pem,
      Buffer.from(pem).toString('base64'),
      der.toString('base64'),
      pem.replaceAll('\n', '\\n'),
    ]) {
      expect(environmentKey({ WEIR_SIGNING_KEY: text })?.keyid).toBe(made!.keyid);
    }
    expect(environmentKey({})).toBeUndefined();
    expect(environmentKey({ WEIR_SIGNING_KEY: '' })).toBeUndefined();
  });

  test('is refused when it is none, without being shown', () => {
    expect(() => environmentKey({ WEIR_SIGNING_KEY: 'hunter2' })).toThrow(/WEIR_SIGNING_KEY cannot be read/);
    expect(() => environmentKey({ WEIR_SIGNING_KEY: 'hunter2' })).not.toThrow(/hunter2/);
  });
});

test('a public key is read as it was printed, and from PEM', async () => {
  const made = await store.create('release', undefined);
  const expected = { keyid: made!.keyid, public: made!.public };
  expect(parsePublicKey(made!.public)).toEqual(expected);
  expect(parsePublicKey(readFileSync(made!.file, 'utf8'))).toEqual(expected);
  expect(() => parsePublicKey('nonsense')).toThrow('is no public key');
});

test('keys are in WEIR_KEYS, else beside the hub if it has some, else in the configuration of their owner', () => {
  const home = '/owner';
  const hubData = join(folder, 'hub');
  expect(keyFolder({ env: { WEIR_KEYS: '/k' }, home, hubData })).toBe('/k');
  expect(keyFolder({ env: {}, home, hubData })).toBe('/owner/.config/weir/keys');
  expect(keyFolder({ env: { XDG_CONFIG_HOME: '/c' }, home })).toBe('/c/weir/keys');
  mkdirSync(join(folder, 'keys'));
  expect(keyFolder({ env: {}, home, hubData })).toBe(join(folder, 'keys'));
});

test('a passphrase for a new key may come from the environment, and must not be short', async () => {
  const env = (passphrase: string) => nobody({ WEIR_KEY_PASSPHRASE: passphrase });
  expect(await askNewPassphrase(env(PASSPHRASE), 'root')).toBe(PASSPHRASE);
  await expect(askNewPassphrase(env('short'), 'root')).rejects.toThrow('can be guessed');
  await expect(askNewPassphrase(nobody(), 'root')).rejects.toThrow('no terminal to ask');
});

test('a passphrase that is typed is not shown, and asked for twice when it is new', async () => {
  const input = Object.assign(new EventEmitter(), {
    isTTY: true,
    modes: [] as boolean[],
    setRawMode: (raw: boolean) => void input.modes.push(raw),
    setEncoding: () => {},
    resume: () => {},
    pause: () => {},
  });
  let shown = '';
  const terminal: Terminal = {
    env: {},
    input: input as unknown as NodeJS.ReadStream,
    write: (text) => {
      shown += text;
      if (text.endsWith(': ')) setImmediate(() => input.emit('data', `${PASSPHRASE}x\x7f\r`));
    },
  };
  expect(await askNewPassphrase(terminal, 'root')).toBe(PASSPHRASE);
  expect(shown).toBe('Passphrase of root: \nThe same again: \n');
  expect(input.modes).toEqual([true, false, true, false]);
});
