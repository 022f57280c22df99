/** What runs, what it ran before and what failed, as it is kept: runs in the database thread. */
import type { DatabaseSync } from 'node:sqlite';
import type { Succession } from '@weir/runtime';

/** `config` is JSON text. The bundle's bytes are kept beside it under their hash. */
export type KeptDeployment = Succession<string>;

export interface DeploymentChange {
  running: readonly KeptDeployment[];
  /** Of these, who has taken over just now: the state of the version before is kept as it is. */
  saves?: readonly string[];
  /** Bundles that are needed besides those of `running`; undefined: all that are here stay. */
  hashesNeeded?: readonly string[];
}

interface Row {
  name: string;
  hash: string;
  config: string;
  quarantined: string | null;
  proven: string | null;
  goodHash: string | null;
  goodConfig: string;
  failedHash: string | null;
  failedConfig: string;
  failedVersion: string;
  failedState: 'failed' | 'quarantined';
  failedReason: string;
}

const ALL = `
SELECT name, deployment.hash, deployment.config, quarantined, proven.name AS proven,
  last_good.hash AS goodHash, last_good.config AS goodConfig, failed.hash AS failedHash, failed.config AS failedConfig,
  failed.version AS failedVersion, failed.state AS failedState, failed.reason AS failedReason
FROM deployment LEFT JOIN proven USING (name) LEFT JOIN last_good USING (name) LEFT JOIN failed USING (name)
ORDER BY name`;

export function deploymentOperations(db: DatabaseSync) {
  const all = db.prepare(ALL);
  const currentState = db.prepare('SELECT json FROM fold_state WHERE fold = ?');
  const savedState = db.prepare('SELECT state FROM last_good WHERE name = ?');
  // What is there under the same hash may be damaged.
  const stage = db.prepare('INSERT OR REPLACE INTO bundle VALUES (?, ?)');
  const bundle = db.prepare('SELECT bytes FROM bundle WHERE hash = ?');
  const others = db.prepare('SELECT coalesce(sum(length(bytes)), 0) AS bytes FROM bundle WHERE hash <> ?');
  const isHere = db.prepare('SELECT 1 FROM bundle WHERE hash = ?');
  const forgetBundles = forgetOperation(db);
  const replace = replaceOperation(db, forgetBundles);
  return {
    all: (): KeptDeployment[] => all.all().map((row) => keptOf(row as unknown as Row)),
    replace,
    forgetBundles,
    room: (hash: string) => ({
      isHere: isHere.get(hash) !== undefined,
      othersBytes: others.get(hash)!.bytes as number,
    }),
    stage: (hash: string, bytes: Uint8Array) => void stage.run(hash, bytes),
    bundle: (hash: string) => bundle.get(hash)?.bytes as Uint8Array | undefined,
    states: (name: string) => ({
      current: currentState.get(name)?.json as string | undefined,
      saved: (savedState.get(name)?.state ?? undefined) as string | undefined,
    }),
  };
}

/** Keeps what runs, what can be gone back to, what runs beside and what is named. */
function forgetOperation(db: DatabaseSync) {
  const unused = db.prepare(`
    SELECT hash FROM bundle WHERE hash NOT IN
    (SELECT hash FROM deployment UNION SELECT hash FROM last_good UNION SELECT hash FROM candidate)`);
  const remove = db.prepare('DELETE FROM bundle WHERE hash = ?');
  return (needed: readonly string[]): void => {
    for (const { hash } of unused.all()) if (!needed.includes(hash as string)) remove.run(hash!);
  };
}

/** To be called before the states of the same step are changed: those of now are saved. */
function replaceOperation(db: DatabaseSync, forgetBundles: (needed: readonly string[]) => void) {
  const clear = ['deployment', 'proven', 'failed'].map((table) => db.prepare(`DELETE FROM ${table}`));
  const insert = db.prepare('INSERT INTO deployment VALUES (?, ?, ?, ?)');
  const prove = db.prepare('INSERT INTO proven VALUES (?)');
  const fail = db.prepare('INSERT INTO failed VALUES (?, ?, ?, ?, ?, ?)');
  const save = db.prepare(
    'INSERT OR REPLACE INTO last_good VALUES (?, ?, ?, (SELECT json FROM fold_state WHERE fold = ?))',
  );
  const saved = db.prepare('SELECT name FROM last_good');
  const forget = db.prepare('DELETE FROM last_good WHERE name = ?');
  const trials = endTrials(db);
  return ({ running, saves = [], hashesNeeded }: DeploymentChange): void => {
    for (const statement of clear) statement.run();
    for (const { name, hash, config, quarantined, proven, lastGood, failed } of running) {
      insert.run(name, hash, config, quarantined);
      if (proven) prove.run(name);
      if (failed) fail.run(name, failed.hash, failed.config, failed.version, failed.state, failed.reason);
      if (lastGood && saves.includes(name)) save.run(name, lastGood.hash, lastGood.config, name);
    }
    const backed = new Set(running.flatMap(({ name, lastGood }) => (lastGood === undefined ? [] : [name])));
    for (const { name } of saved.all()) if (!backed.has(name as string)) forget.run(name!);
    trials(running, hashesNeeded);
    if (hashesNeeded !== undefined) forgetBundles(hashesNeeded);
  };
}

/** Of what is proven, of what has failed, and of what nobody wants any more. */
function endTrials(db: DatabaseSync) {
  const end = db.prepare('DELETE FROM trial WHERE name = ? AND hash = ? AND config = ?');
  const all = db.prepare('SELECT name, hash, config FROM trial');
  return (running: readonly KeptDeployment[], hashesNeeded: readonly string[] | undefined): void => {
    for (const { name, hash, config, proven, quarantined, failed } of running) {
      if (proven || quarantined !== null) end.run(name, hash, config);
      if (failed !== undefined) end.run(name, failed.hash, failed.config);
    }
    if (hashesNeeded === undefined) return;
    const needed = new Set([...hashesNeeded, ...running.map(({ hash }) => hash)]);
    for (const { name, hash, config } of all.all()) if (!needed.has(hash as string)) end.run(name!, hash!, config!);
  };
}

function keptOf(row: Row): KeptDeployment {
  const { name, hash, config, quarantined, goodHash, goodConfig, failedHash } = row;
  const kept: KeptDeployment = { name, hash, config, quarantined };
  if (row.proven !== null) kept.proven = true;
  if (goodHash !== null) kept.lastGood = { hash: goodHash, config: goodConfig };
  if (failedHash !== null) {
    const { failedConfig, failedVersion: version, failedState: state, failedReason: reason } = row;
    kept.failed = { hash: failedHash, config: failedConfig, version, state, reason };
  }
  return kept;
}
