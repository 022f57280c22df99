/** What a gateway does with what nobody has signed, or has changed, or has said not to run any more, in a hub that hands it out. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';

interface FunctionStatus {
  name: string;
  version: string;
  state: string;
}

interface DeploymentRow {
  name: string;
  wanted: { version: string; hash: string };
  reported?: { version: string; state: string; code?: string; reason?: string; running?: { version: string } };
}

const NAMES = ['changed', 'unsigned', 'older'];
const system = new System();

beforeAll(() => system.startAll());
afterAll(() => system.stop());

function deploy(name: string, version: string, ...options: string[]): Promise<string> {
  const text = `name: ${name}\nversion: "${version}"\nmetric: temperature\nabove: ${version}0\n`;
  return system.weir('rule', 'apply', system.file(`${name}.yaml`, text), '--group', 'plant', ...options);
}

async function runs(versions: Record<string, string>): Promise<void> {
  await eventually(`${JSON.stringify(versions)} on the gateway`, async () => {
    const { functions } = await system.agentStatus<{ functions: FunctionStatus[] }>();
    const found = Object.fromEntries(functions.map(({ name, version }) => [name, version]));
    expect(found).toEqual(versions);
    expect(functions.map(({ state }) => state)).toEqual(functions.map(() => 'running'));
    return true;
  });
}

const rows = async () =>
  new Map(
    (await system.weirJson<DeploymentRow[]>('deploy', 'status', '--device', 'gw1')).map((row) => [row.name, row]),
  );

/** Whoever has the disk of the hub. */
function inStore(change: (db: DatabaseSync) => void): void {
  const db = new DatabaseSync(join(system.hubData, 'store.db'));
  change(db);
  db.close();
}

test('what is signed runs; a hub whose store was changed is refused, each with its reason; what ran goes on', async () => {
  for (const name of NAMES) await deploy(name, '1');
  await runs({ changed: '1', unsigned: '1', older: '1' });
  const first = (await rows()).get('older')!.wanted.hash;
  await deploy('older', '2', '--no-rollback');
  await runs({ changed: '1', unsigned: '1', older: '2' });

  await system.kill('agent', 'SIGTERM');
  await deploy('changed', '2');
  await deploy('unsigned', '2');
  const wanted = await rows();
  await system.kill('hub');
  inStore((db) => {
    const bytes = db.prepare("SELECT bytes FROM item WHERE tbl = 'bundle' AND part = ? AND sort = 'part/0'");
    const before = Buffer.from(bytes.get(wanted.get('changed')!.wanted.hash)!.bytes as Uint8Array);
    const evil = Buffer.from(before.toString('utf8').replace('20', '99'));
    expect(evil.equals(before)).toBe(false);
    db.prepare("UPDATE item SET bytes = ? WHERE tbl = 'bundle' AND part = ? AND sort = 'part/0'").run(
      evil,
      wanted.get('changed')!.wanted.hash,
    );
    const release = "tbl = 'bundle' AND part = ? AND sort = 'release'";
    const { json } = db.prepare(`SELECT json FROM item WHERE ${release}`).get(wanted.get('unsigned')!.wanted.hash)!;
    const kept = JSON.parse(json as string) as { envelope: string };
    const envelope = JSON.stringify({ ...JSON.parse(kept.envelope), signatures: [] });
    db.prepare(`UPDATE item SET json = ? WHERE ${release}`).run(
      JSON.stringify({ ...kept, envelope }),
      wanted.get('unsigned')!.wanted.hash,
    );
    const deployment = "tbl = 'group' AND part = 'plant' AND sort = 'deployment/older'";
    const older = db.prepare(`SELECT json FROM item WHERE ${deployment}`).get()!;
    const record = db
      .prepare("SELECT json FROM item WHERE tbl = 'bundle' AND part = ? AND sort = 'record'")
      .get(first)!;
    const { bytes: length } = JSON.parse(record.json as string) as { bytes: number };
    const back = { ...JSON.parse(older.json as string), hash: first, version: '1', bytes: length };
    db.prepare(`UPDATE item SET json = ? WHERE ${deployment}`).run(JSON.stringify(back));
  });
  await system.startHub();
  await system.startAgent();

  await eventually('each is refused', async () => {
    const told = await rows();
    expect(Object.fromEntries(NAMES.map((name) => [name, told.get(name)!.reported?.code]))).toEqual({
      changed: 'hash-mismatch',
      unsigned: 'unsigned',
      older: 'release-below-floor',
    });
    return true;
  });
  expect((await rows()).get('changed')!.reported).toMatchObject({ state: 'failed', running: { version: '1' } });
  await runs({ changed: '1', unsigned: '1', older: '2' });
  const shown = await system.weir('device', 'show', 'gw1');
  for (const code of ['hash-mismatch: ', 'unsigned: ', 'release-below-floor: ']) expect(shown).toContain(code);
});

test('a statement of another key than that of the hub is refused as a whole, and that is seen on both sides', async () => {
  await system.kill('hub');
  rmSync(join(system.hubData, 'hub-key.json'));
  await system.startHub();
  await system.weir('rule', 'remove', 'older', '--group', 'plant');
  await eventually(
    'it is refused',
    async () => {
      const { trust } = await system.agentStatus<{ trust: { refused?: { code: string } } }>();
      expect(trust.refused?.code).toBe('key-unknown');
      expect(await system.weir('device', 'show', 'gw1')).toContain('key-unknown');
      return true;
    },
    90_000,
  );
  await runs({ changed: '1', unsigned: '1', older: '2' });
  const { stdout } = await system.run('weir-agent', 'status', '--data', system.agentData);
  expect(stdout).toMatch(/the hub's word is refused, what runs goes on: key-unknown/);
});
