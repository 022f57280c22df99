import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';

const system = new System();
const rule = (version: string) =>
  system.file(
    `hot-${version}.yaml`,
    `name: oven-hot\nversion: "${version}"\nmetric: temperature\nabove: ${80 + Number(version)}\n`,
  );

interface Row {
  state: string;
  wanted?: { version: string };
  reported?: { version: string; reason?: string; running?: { version: string } };
}

const row = async () => (await system.weirJson<Row[]>('deploy', 'status', 'oven-hot', '--device', 'gw1'))[0]!;
const rootVersion = async () =>
  (await system.agentStatus<{ trust: { root?: { version: number } } }>()).trust.root?.version;
const apply = (version: string, ...more: string[]) =>
  system.weir('rule', 'apply', rule(version), '--group', 'plant', ...more);
const runs = (version: string) =>
  eventually(`${version} runs`, async () => {
    const { state, wanted } = await row();
    return (state === 'running' && wanted?.version === version) || undefined;
  });
/** Does this with keys of somebody else. */
async function asBob<T>(work: () => Promise<T>): Promise<T> {
  const own = system.keys;
  system.keys = join(system.folder, 'bob');
  return work().finally(() => {
    system.keys = own;
  });
}

beforeAll(() => system.startAll());
afterAll(() => system.stop());

test('the first deployment makes keys by itself, and the device takes what is signed with them', async () => {
  await apply('1');
  await runs('1');
  expect(await rootVersion()).toBe(1);
});

test('a root key is rotated, then two of three are needed: the device follows step by step, and goes on taking releases', async () => {
  await system.weir('key', 'rotate');
  await apply('2');
  await runs('2');
  await eventually('the device has the rotated root', async () => (await rootVersion()) === 2 || undefined);
  const publicKeys: string[] = [];
  await asBob(async () => {
    for (const name of ['root', 'root-2']) publicKeys.push((await system.weir('key', 'create', name)).trim());
  });
  const [second, third] = publicKeys as [string, string];
  await system.weir('key', 'add', second, '--role', 'root');
  const next = join(system.folder, 'next.json');
  await system.weir('key', 'add', third, '--role', 'root', '--threshold', '2', '-o', next);
  await asBob(() => system.weir('key', 'root', 'sign', next, '--key', 'root'));
  await system.weir('key', 'root', 'import', next);
  await eventually('the device has the root of three', async () => (await rootVersion()) === 4 || undefined, 90_000);
});

test('a release key is revoked: what it released goes on, what it released and nobody has yet is refused by the device', async () => {
  const text = await asBob(async () => (await system.weir('key', 'create', 'release')).trim());
  const twoOfThree = async (...change: string[]) => {
    const file = join(system.folder, 'changed.json');
    await system.weir('key', ...change, '-o', file);
    await asBob(() => system.weir('key', 'root', 'sign', file, '--key', 'root'));
    await system.weir('key', 'root', 'import', file);
  };
  await twoOfThree('add', text, '--role', 'release', '--name', 'Bob');
  await asBob(() => apply('3'));
  await runs('3');

  await system.kill('agent', 'SIGTERM');
  await asBob(() => apply('4', '--no-wait'));
  const bob = (await asBob(() => system.weirJson<{ name: string; keyid: string }[]>('key', 'list'))).find(
    ({ name }) => name === 'release',
  );
  await twoOfThree('revoke', bob!.keyid);
  await system.startAgent();
  const refused = await eventually('version 4 is refused', async () => {
    const found = await row();
    return found.state === 'failed' ? found : undefined;
  });
  expect(refused.reported?.reason).toContain('key-revoked');
  expect(refused.reported?.running?.version).toBe('3');

  const tried = await asBob(() =>
    system.run('weir', 'rule', 'apply', rule('5'), '--group', 'plant', '--hub-data', system.hubData),
  );
  expect([tried.code, tried.stderr]).toEqual([2, expect.stringContaining('may no longer sign releases')]);
  await apply('6');
  await runs('6');
});
