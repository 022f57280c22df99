import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Control, createControl } from '../src/api/control.fixture.ts';
import { runWeir } from './weir.fixture.ts';

let folder: string;
let control: Control;
let url: string;
const rule = (version: string) => `name: oven-hot\nversion: "${version}"\nmetric: temperature\nabove: 80\nclear: 75\n`;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weir-key-'));
  for (const version of ['1', '2', '3']) writeFileSync(join(folder, `hot-${version}.yaml`), rule(version));
  control = await createControl({ unsigned: true });
  url = await control.listen();
  await control.fleet.createGroup('ovens');
});
afterEach(async () => {
  await control.close();
  rmSync(folder, { recursive: true });
});

/** One who works with the keys of this folder. */
const as =
  (who: string, env: Record<string, string> = {}) =>
  (...args: string[]) =>
    runWeir(args, {
      cwd: folder,
      env: { WEIR_URL: url, WEIR_API_KEY: control.apiKey, WEIR_KEYS: join(folder, who), ...env },
    }).ended;
const ada = as('ada');
const bob = as('bob');
const apply = (who: typeof ada, version: string, ...more: string[]) =>
  who('rule', 'apply', `hot-${version}.yaml`, '--group', 'ovens', '--no-wait', ...more);
const json = async (who: typeof ada, ...args: string[]) => JSON.parse((await who(...args, '--json')).out);
const publicOf = async (who: typeof ada, name?: string) =>
  (await who('key', 'create', ...(name === undefined ? [] : [name]))).out.trim();

test('the first deployment makes keys and root file, and says so in two lines; the next only signs', async () => {
  const first = await apply(ada, '1');
  expect([first.code, first.out]).toEqual([0, '']);
  const lines = first.err.split('\n');
  expect(lines[0]).toMatch(/^This hub trusted nobody yet: .*root\.pem \(root\) and .*release\.pem \(release\)\.$/);
  expect(lines[1]).toContain('Keep a copy of the root key elsewhere');
  expect(lines[2]).toBe('rule oven-hot@1 is wanted on group ovens (edge)');
  expect(readdirSync(join(folder, 'ada')).sort()).toEqual(['release.pem', 'root.pem', 'roots']);
  for (const name of ['release.pem', 'root.pem']) {
    expect(statSync(join(folder, 'ada', name)).mode & 0o777).toBe(0o600);
  }
  const second = await apply(ada, '2');
  expect([second.code, second.err]).toMatchObject([0, expect.not.stringContaining('trusted nobody')]);
  const releases = await json(ada, 'fn', 'releases', 'oven-hot');
  expect(releases.map(({ version }: { version: string }) => version)).toEqual(['2', '1']);
  // The group may go back to version 1.
  expect(releases[0].floor).toBe(releases[1].release);
  expect((await ada('key', 'list')).out).toMatch(/release +[0-9a-f]{12} +release +no/);
});

test('two first deployments at once are both made, from one pair of keys', async () => {
  const made = await Promise.all([apply(ada, '1'), apply(ada, '2')]);
  expect(made.map(({ code, err }) => [code, code === 0 ? '' : err])).toEqual([
    [0, ''],
    [0, ''],
  ]);
  expect((await json(ada, 'key', 'root', 'show')).version).toBe(1);
});

test('an author whom the hub does not know is told what to do, and may deploy once added', async () => {
  expect((await ada('key', 'init')).code).toBe(0);
  expect((await ada('key', 'init')).err).toContain('has version 1 of a root file already');
  const none = await apply(bob, '1');
  expect([none.code, none.err]).toEqual([2, expect.stringContaining('weir key create')]);
  const text = await publicOf(bob);
  const stranger = await apply(bob, '1');
  expect([stranger.code, stranger.err]).toEqual([2, expect.stringContaining(`weir key add ${text} --role release`)]);
  expect((await ada('key', 'add', text, '--role', 'release', '--name', 'Bob')).err).toContain('has version 2');
  expect((await apply(bob, '1')).code).toBe(0);
  expect((await ada('key', 'root', 'show')).out).toMatch(/release +[0-9a-f]{12} +Bob /);
  const { keyid } = (await json(bob, 'key', 'list'))[0];
  expect((await ada('key', 'revoke', keyid.slice(0, 12))).code).toBe(0);
  const revoked = await apply(bob, '2');
  expect([revoked.code, revoked.err]).toEqual([2, expect.stringContaining('may no longer sign releases')]);
  expect((await json(bob, 'key', 'list'))[0].roles).toEqual(['revoked']);
});

test('a root key is rotated: the next version is signed by both, and the old key decides nothing any more', async () => {
  await ada('key', 'init');
  writeFileSync(join(folder, 'old-root.pem'), readFileSync(join(folder, 'ada', 'root.pem')));
  const rotated = await ada('key', 'rotate');
  expect([rotated.code, rotated.err]).toEqual([0, expect.stringContaining('root-2.pem')]);
  const shown = await json(ada, 'key', 'root', 'show');
  expect([shown.version, shown.signedBy.length, shown.revoked.length]).toEqual([2, 2, 1]);
  rmSync(join(folder, 'ada', 'root.pem'));
  expect((await ada('key', 'root', 'renew')).code).toBe(0);
  rmSync(join(folder, 'ada', 'root-2.pem'));
  const without = await ada('key', 'root', 'renew');
  expect([without.code, without.err]).toEqual([1, expect.stringContaining('needs 1 more signature')]);
  expect((await ada('key', 'rotate', '--role', 'release')).code).toBe(1);
  // Nothing is made that could not be used.
  expect((await json(ada, 'key', 'list')).map(({ name }: { name: string }) => name)).toEqual(['release']);
});

test('two of three sign a root file on three machines, one of them without the hub', async () => {
  await ada('key', 'init');
  const texts = [await publicOf(bob, 'root'), await publicOf(as('eve'), 'root')];
  expect((await ada('key', 'add', texts[0]!, '--role', 'root')).code).toBe(0);
  const addThird = ['key', 'add', texts[1]!, '--role', 'root', '--threshold', '2'];
  expect((await ada(...addThird)).err).toContain('needs 1 more signature');
  expect((await ada(...addThird, '-o', 'third.json')).code).toBe(0);
  expect((await bob('key', 'root', 'sign', 'third.json')).code).toBe(0);
  expect((await ada('key', 'root', 'import', 'third.json')).err).toContain('The hub has version 3');
  const alone = await ada('key', 'root', 'renew');
  expect([alone.code, alone.err]).toEqual([1, expect.stringContaining('weir key root sign next.json')]);

  expect((await ada('key', 'root', 'renew', '-o', 'next.json')).err).toContain('needs 1 more');
  expect((await ada('key', 'root', 'import', 'next.json')).err).toContain('the root file is not taken');
  const offline = as('bob', { WEIR_URL: 'http://127.0.0.1:9' });
  expect((await offline('key', 'root', 'sign', 'next.json')).err).toContain('Signed version 4');
  expect((await json(offline, 'key', 'root', 'show', 'next.json')).signedBy).toHaveLength(2);
  expect((await ada('key', 'root', 'import', 'next.json')).err).toContain('The hub has version 4');

  // From its own machine, on a copy of what the hub has.
  await ada('key', 'root', 'export', '-o', 'now.json');
  const made = await offline('key', 'root', 'renew', '--root', 'now.json', '-o', 'fifth.json');
  expect([made.code, made.err]).toEqual([0, expect.stringContaining('needs 1 more')]);
  expect((await as('eve')('key', 'root', 'sign', 'fifth.json')).code).toBe(0);
  expect((await ada('key', 'root', 'import', 'fifth.json')).err).toContain('The hub has version 5');
});

test('CI signs with a key from its environment, somebody else deploys, and CI gives no hub its first root file', async () => {
  const text = await publicOf(ada, 'ci');
  const WEIR_SIGNING_KEY = readFileSync(join(folder, 'ada', 'ci.pem')).toString('base64');
  const ci = as('nothing', { WEIR_SIGNING_KEY });
  expect((await apply(ci, '1')).err).toContain('CI should not decide whom it is to trust');
  await ada('key', 'init');
  await ada('key', 'add', text, '--role', 'release', '--name', 'CI');
  const signed = await ci('rule', 'sign', 'hot-1.yaml', '-o', 'release.json', '--offline');
  expect([signed.code, signed.err]).toEqual([0, expect.stringContaining('Signed release ')]);
  const deployed = await bob('rule', 'apply', '--release', 'release.json', '--group', 'ovens', '--no-wait');
  expect([deployed.code, deployed.err]).toEqual([
    0,
    expect.stringContaining('rule oven-hot@1 is wanted on group ovens'),
  ]);
  expect((await apply(ci, '2')).code).toBe(0);
  const twice = await bob('rule', 'apply', 'hot-1.yaml', '--release', 'release.json', '--group', 'ovens');
  expect([twice.code, twice.err]).toEqual([2, expect.stringContaining('or --release')]);
});

test('how far back anybody may go is said when it is signed: --floor and --no-rollback', async () => {
  await apply(ada, '1');
  await apply(ada, '2');
  expect((await apply(ada, '3', '--floor', '2')).code).toBe(0);
  const [third, second] = await json(ada, 'fn', 'releases', 'oven-hot');
  expect(third.floor).toBe(second.release);
  expect((await apply(ada, '1', '--floor', 'none')).err).toContain('no release has the version none');
  expect((await apply(ada, '3', '--no-rollback')).code).toBe(0);
  const [last] = await json(ada, 'fn', 'releases', 'oven-hot');
  expect(last.floor).toBe(last.release);
  const back = await ada('fn', 'rollback', 'oven-hot', '--group', 'ovens', '--no-wait');
  expect([back.code, back.err]).toEqual([2, expect.stringContaining('release-below-floor')]);
});

test('with a passphrase a key signs only for who knows it', async () => {
  const WEIR_KEY_PASSPHRASE = 'correct horse battery';
  const withPassphrase = as('ada', { WEIR_KEY_PASSPHRASE });
  expect((await withPassphrase('key', 'init')).code).toBe(0);
  expect(readFileSync(join(folder, 'ada', 'root.pem'), 'utf8')).toContain('ENCRYPTED');
  expect((await apply(withPassphrase, '1')).code).toBe(0);
  const nobody = await apply(ada, '2');
  expect([nobody.code, nobody.err]).toEqual([2, expect.stringContaining('WEIR_KEY_PASSPHRASE')]);
  const wrong = await apply(as('ada', { WEIR_KEY_PASSPHRASE: 'something else!!' }), '2');
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('the passphrase is wrong')]);
});

test('a hub that shows another root file than the one that is known is not signed for', async () => {
  await ada('key', 'init');
  const other = await createControl({ unsigned: true });
  try {
    const elsewhere = await other.listen();
    await as('eve', { WEIR_URL: elsewhere, WEIR_API_KEY: other.apiKey })('key', 'init');
    const [file] = readdirSync(join(folder, 'eve', 'roots'));
    const [own] = readdirSync(join(folder, 'ada', 'roots'));
    writeFileSync(join(folder, 'ada', 'roots', own!), readFileSync(join(folder, 'eve', 'roots', file!)));
    const refused = await apply(ada, '1');
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('does not follow from version 1')]);
  } finally {
    await other.close();
  }
});

describe('misuse ends with 2 and says what to do', () => {
  test.each([
    [['key'], 'Usage: weir key'],
    [['key', 'create', '../x'], 'cannot be the name of a key'],
    [['key', 'add', 'nonsense', '--role', 'release'], 'is no public key of ed25519'],
    [['key', 'add', 'nonsense', '--role', 'deployment'], 'one of release, root is wanted'],
    [['key', 'revoke', 'abc'], 'too short for the id of a key'],
    [['key', 'root', 'show'], 'weir key init'],
    [['key', 'root', 'import', 'none.json'], 'none.json cannot be read'],
    [['key', 'root', 'sign', 'hot-1.yaml'], 'is no root file'],
    [['key', 'root', 'renew', '--root', 'hot-1.yaml'], 'add -o next.json'],
    [['key', 'init', '--threshold', '2'], 'would need 2 signatures'],
    [['rule', 'apply', '--group', 'ovens'], 'deploy what?'],
    [['rule', 'apply', '--release', 'hot-1.yaml', '--group', 'ovens'], 'is no signed release'],
  ])('weir %j', async (args, words) => {
    const { code, err } = await ada(...args);
    expect([code, err]).toEqual([2, expect.stringContaining(words)]);
    expect(err).not.toMatch(/\n\s+at /);
  });
});
