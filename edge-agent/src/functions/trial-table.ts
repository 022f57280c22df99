/**
 * Versions on trial and how often the agent has ended since, without having been told to: runs in the database thread.
 *
 *     trial      a version from before it is loaded for the first time until it is proven, has failed or is not wanted
 *     meta run   the run of the agent that is under way or was last: of which boot of the machine, and how it stands
 *
 *     young --ran for so long--> steady           a run that ends young and was not told to counts against all on trial;
 *       |  told to end             | told to      one that got steady makes up for those before it
 *       '----------> ended <-------'
 *
 * An end within one boot is the end of a process: something here has killed it. With a boot of the machine in between it
 * may have been the power, and nothing here; or a version that hangs the machine. It counts half.
 */
import type { DatabaseSync } from 'node:sqlite';
import { type Meta, metaOf } from '../spool/schema.ts';

/** What is tried: a version with its configuration. `config` is JSON text. */
export interface TrialKey {
  name: string;
  hash: string;
  config: string;
}

/** `halves`: two for each end of the process, one for each of the machine. */
export interface Trial extends TrialKey {
  halves: number;
}

interface Run {
  boot: string;
  state: 'young' | 'steady' | 'ended';
}

const RUN = 'run';

export function trialOperations(db: DatabaseSync) {
  const meta = metaOf(db);
  const all = db.prepare('SELECT name, hash, config, halves FROM trial ORDER BY name, hash, config');
  const begin = db.prepare('INSERT OR IGNORE INTO trial VALUES (?, ?, ?, 0)');
  const count = db.prepare('UPDATE trial SET halves = halves + ?');
  return {
    trials: () => all.all() as unknown as Trial[],

    /** To be called before they are loaded for the first time. @returns all that are on trial */
    beginTrials(keys: readonly TrialKey[]): Trial[] {
      for (const { name, hash, config } of keys) begin.run(name, hash, config);
      return all.all() as unknown as Trial[];
    },

    /** The agent starts. @param boot names this boot of the machine; undefined: nobody knows, and ends are not counted */
    beginRun(boot: string | undefined): void {
      if (boot === undefined) return;
      const last = runOf(meta);
      if (last?.state === 'young') count.run(last.boot === boot ? 2 : 1);
      setRun(meta, { boot, state: 'young' });
    },

    /** It has run for as long as a version is on trial: what ended before was something else. */
    runIsSteady(): void {
      const run = runOf(meta);
      if (run?.state !== 'young') return;
      setRun(meta, { ...run, state: 'steady' });
      db.exec('UPDATE trial SET halves = 0 WHERE halves > 0');
    },

    /** It was told to end. */
    endRun(): void {
      const run = runOf(meta);
      if (run !== undefined) setRun(meta, { ...run, state: 'ended' });
    },
  };
}

function runOf(meta: Meta): Run | undefined {
  const json = meta.get(RUN) as string | undefined;
  return json === undefined ? undefined : (JSON.parse(json) as Run);
}

function setRun(meta: Meta, run: Run): void {
  meta.set(RUN, JSON.stringify(run));
}
