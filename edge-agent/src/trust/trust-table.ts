/**
 * What of trust must survive, in the spool: runs in the database thread. Each operation is one transaction, so that a
 * power cut leaves what was before or what came after.
 *
 *     floor     the highest floor that was seen for each name: nobody can want a release below it here again; and the
 *               highest of those that do not spare what the device would go back to by itself
 *     release   what authors said of the bundles that are here, and of which release each is
 *
 *     meta      trust (JSON: whom this device trusts, and the number of the last statement that it has taken) ·
 *               desired (JSON of what that statement said)
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Release } from '@weir/protocols';
import { metaOf } from '../spool/schema.ts';

export interface KeptTrust {
  /** Which enrolment it belongs to: whoever enrols the device again says anew whom it trusts. */
  enrolment: string;
  /** Text of the root file; undefined: nobody yet. */
  root: string | undefined;
  /** Of the last statement; 0: none since the hub has its key. */
  sequence: number;
  /** ms since epoch: no statement that was taken was made later. */
  time: number;
}

export interface Floors {
  /** For what others want. */
  wanted: number;
  /** For what the device goes back to by itself. */
  lastGood: number;
}

export interface TrustState {
  trust: KeptTrust | undefined;
  /** By name. */
  floors: Map<string, Floors>;
  /** Release by the hash of its bundle. */
  releases: Map<string, number>;
}

/** Of the bundles that are here: everything else that ran is behind the floors. */
const TABLES = `
CREATE TABLE IF NOT EXISTS floor (
  name TEXT PRIMARY KEY, release INTEGER NOT NULL, last_good INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS release (
  hash TEXT PRIMARY KEY, name TEXT NOT NULL, release INTEGER NOT NULL, envelope TEXT NOT NULL
) STRICT;
`;

export function makeTrustSchema(db: DatabaseSync): void {
  db.exec(TABLES);
}

export function trustOperations(db: DatabaseSync) {
  const meta = metaOf(db);
  const floors = db.prepare('SELECT * FROM floor');
  const raise = db.prepare(
    'INSERT INTO floor VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET ' +
      'release = max(release, excluded.release), last_good = max(last_good, excluded.last_good)',
  );
  const releases = db.prepare('SELECT hash, release FROM release');
  const envelope = db.prepare('SELECT envelope FROM release WHERE hash = ?');
  const keep = db.prepare('INSERT OR REPLACE INTO release VALUES (?, ?, ?, ?)');
  const trim = db.prepare('DELETE FROM release WHERE hash NOT IN (SELECT hash FROM bundle)');
  // What is there under the same hash may be damaged.
  const stage = db.prepare('INSERT OR REPLACE INTO bundle VALUES (?, ?)');
  return {
    trust(): TrustState {
      const json = meta.get('trust') as string | undefined;
      return {
        trust: json === undefined ? undefined : (JSON.parse(json) as KeptTrust),
        floors: new Map(
          floors.all().map((row) => [row.name as string, { wanted: row.release, lastGood: row.last_good } as Floors]),
        ),
        releases: new Map(releases.all().map(({ hash, release }) => [hash as string, release as number])),
      };
    },

    keepTrust(trust: KeptTrust): void {
      meta.set('trust', JSON.stringify(trust));
    },

    /** A statement was taken. @param desired JSON of what it says, to be worked towards also when the hub is away */
    keepStatement(trust: KeptTrust, desired: string): void {
      meta.set('trust', JSON.stringify(trust));
      meta.set('desired', desired);
    },

    releaseOf(hash: string): string | undefined {
      return envelope.get(hash)?.envelope as string | undefined;
    },

    /** Keeps a bundle at hand before it is deployed, with its release, and raises the floor. */
    stageRelease(bytes: Uint8Array, statement: Release, text: string): void {
      const { sha256, name, release } = statement;
      const { wanted, lastGood } = floorsOf(statement);
      stage.run(sha256, bytes);
      trim.run();
      keep.run(sha256, name, release, text);
      raise.run(name, wanted, lastGood);
    },
  };
}

/** As one release has them. */
export function floorsOf({ floor, sparesLastGood }: Release): Floors {
  return { wanted: floor, lastGood: sparesLastGood ? 0 : floor };
}
