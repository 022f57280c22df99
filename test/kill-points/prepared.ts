/**
 * What every run starts from: a data folder with everything deployed and with a journal that nothing has passed yet.
 * So the input of all runs is the same, byte for byte, whatever is killed whenever.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { columnsOf } from '@weir/protocols';
import { buildForwardingBundle, buildFunctionBundle, buildRuleBundle } from '@weir/runtime';
import { type BuiltDeployment, deployedSpool } from '../support/deployed-spool.ts';
import type { Group } from './readings.ts';

/** Functions whose outcome hangs on the clock as soon as nothing arrives: not for input that comes live. */
const WITH_TIMERS = ['silence'];
/** Rules that hold for a time do, too. */
const WITH_DURATION = ['hot', 'pressed'];
/** So do windows; and what input a live run had, its journal says, of which a policy lets rows go. */
const POLICIES = ['thin'];

/**
 * Publishes go from their table when they were carried out. The triggers, in this database alone, note each of them in
 * the same transaction.
 */
const OBSERVE = `
CREATE TABLE observed_publish (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL, topic TEXT NOT NULL, payload TEXT NOT NULL, qos INTEGER NOT NULL,
  retain INTEGER NOT NULL, carried_out INTEGER NOT NULL DEFAULT 0
);
CREATE TRIGGER observe_publish AFTER INSERT ON publish BEGIN
  INSERT INTO observed_publish (id, topic, payload, qos, retain)
    VALUES (new.id, new.topic, new.payload, new.qos, new.retain);
END;
CREATE TRIGGER observe_carried_out AFTER DELETE ON publish BEGIN
  UPDATE observed_publish SET carried_out = carried_out + 1 WHERE id = old.id;
END;
`;

export async function prepare(data: string, groups: readonly Group[]): Promise<void> {
  const spool = await deployedSpool(data, await deployments(() => true));
  for (const { receivedAt, readings } of groups) {
    await spool.call('append', { columns: columnsOf(readings), receivedAt, future: 0, refused: undefined });
  }
  await spool.close();
  observe(data);
}

/** Without a journal, and with what does not hang on the clock. */
export async function prepareLive(data: string): Promise<void> {
  const spool = await deployedSpool(
    data,
    await deployments((name) => ![...WITH_TIMERS, ...WITH_DURATION, ...POLICIES].includes(name)),
  );
  await spool.close();
  observe(data);
}

/** As {@link prepareLive}, with the journal that a live run has left. */
export async function prepareFrom(data: string, liveData: string): Promise<void> {
  await prepareLive(data);
  const db = new DatabaseSync(join(data, 'spool.db'));
  db.prepare('ATTACH ? AS live').run(join(liveData, 'spool.db'));
  db.exec(`INSERT INTO journal SELECT * FROM live.journal;
    UPDATE meta SET value = (SELECT value FROM live.meta WHERE key = 'accepted') WHERE key = 'accepted';`);
  db.close();
}

function observe(data: string): void {
  const db = new DatabaseSync(join(data, 'spool.db'));
  db.exec(OBSERVE);
  db.close();
}

async function deployments(isWanted: (name: string) => boolean): Promise<BuiltDeployment[]> {
  everything ??= build();
  return (await everything).filter(({ name }) => isWanted(name));
}

let everything: Promise<BuiltDeployment[]> | undefined;

async function build(): Promise<BuiltDeployment[]> {
  const built: BuiltDeployment[] = [];
  for (const [folder, bundle] of [
    ['functions', buildFunctionBundle],
    ['rules', buildRuleBundle],
    ['forwarding', buildForwardingBundle],
  ] as const) {
    const path = fileURLToPath(new URL(`${folder}/`, import.meta.url));
    for (const file of readdirSync(path).sort()) {
      const { hash, bytes } = await bundle(join(path, file));
      built.push({ name: file.replace(/\.\w+$/, ''), hash, bytes });
    }
  }
  return built;
}
