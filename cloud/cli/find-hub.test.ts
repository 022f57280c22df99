import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findHub, profileFile } from './find-hub.ts';
import { parsePin } from './trust.ts';

let folder: string;
let before: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-find-'));
  before = process.cwd();
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
});

const env = () => ({ XDG_CONFIG_HOME: join(folder, 'config') });

function write(file: string, content: object | string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
}

test('what is nearest is meant: the option, the environment, the hub whose data is here, the login', () => {
  expect(() => findHub(undefined, env())).toThrow('.weir/hub/cli.json is not there');
  write(profileFile(env()), { url: 'https://far', apiKey: 'k', ca: 'PEM' });
  expect(findHub(undefined, env())).toEqual({ url: 'https://far', apiKey: 'k', ca: 'PEM' });
  write('.weir/hub/cli.json', { url: 'http://here', apiKey: 'k' });
  expect(findHub(undefined, env())).toEqual({ url: 'http://here', apiKey: 'k', data: resolve('.weir/hub') });
  write('ca.pem', 'PEM of a file');
  const given = { ...env(), WEIR_URL: 'https://given/', WEIR_API_KEY: 'g' };
  expect(findHub(undefined, given)).toEqual({ url: 'https://given', apiKey: 'g' });
  expect(findHub(undefined, { ...given, WEIR_CA: 'ca.pem' })).toMatchObject({ ca: 'PEM of a file' });
  write('other/cli.json', { url: 'http://other', apiKey: 'o' });
  expect(findHub('other', given)).toEqual({ url: 'http://other', apiKey: 'o', data: resolve('other') });
});

test.each<[string, () => unknown, string]>([
  ['a data folder that is none', () => findHub('nowhere', env()), 'nowhere/cli.json is not there'],
  ['a URL without a key', () => findHub(undefined, { WEIR_URL: 'http://x' }), 'WEIR_API_KEY is not'],
  [
    'an authority that is no file',
    () => findHub(undefined, { WEIR_URL: 'http://x', WEIR_API_KEY: 'k', WEIR_CA: 'no.pem' }),
    'no.pem cannot be read (ENOENT)',
  ],
])('%s is said so', (_, find, words) => {
  expect(find).toThrow(words);
});

test('a file that is damaged is not passed over', () => {
  write('.weir/hub/cli.json', '{');
  write(profileFile(env()), { url: 'https://far', apiKey: 'k' });
  expect(() => findHub(undefined, env())).toThrow('cli.json is damaged');
});

test('a hash is taken as the hub prints it, and as openssl does', () => {
  const base64url = Buffer.alloc(32, 0xab).toString('base64url');
  expect(parsePin(base64url)).toBe(base64url);
  expect(parsePin('ab'.repeat(32))).toBe(base64url);
  expect(parsePin(Array.from({ length: 32 }, () => 'AB').join(':'))).toBe(base64url);
  expect(() => parsePin('ab')).toThrow('is no SHA-256');
});
