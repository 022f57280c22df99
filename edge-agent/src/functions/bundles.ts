import type { JsonObject } from '@weir/protocols';
import { type Deployed, hashBundle, parseBundle, SqliteError } from '@weir/runtime';
import type { Spool } from '../spool/spool.ts';
import type { KeptDeployment } from './kept-deployments.ts';

export interface LoadedDeployments {
  deployed: Deployed[];
  damaged: { name: string; error: Error }[];
}

/** What is kept, ready to run. One that cannot be read is left out: its neighbours must run. */
export async function loadDeployed(spool: Spool, kept: readonly KeptDeployment[]): Promise<LoadedDeployments> {
  const loaded: LoadedDeployments = { deployed: [], damaged: [] };
  for (const { name, hash, config, quarantined } of kept) {
    try {
      const bytes = await spool.call('bundle', hash);
      if (bytes === undefined) throw new Error(`bundle ${hash} is not here`);
      if (hashBundle(bytes) !== hash) throw new Error(`bundle ${hash} is not what was fetched`);
      const deployed: Deployed = { name, hash, bundle: parseBundle(bytes), config: JSON.parse(config) as JsonObject };
      if (quarantined !== null) deployed.quarantined = quarantined;
      loaded.deployed.push(deployed);
    } catch (error) {
      // What cannot be read just now can be later; a function must not stop because another call has filled the disk.
      if (error instanceof SqliteError && error.code !== 'corrupt') throw error;
      loaded.damaged.push({ name, error: error as Error });
    }
  }
  return loaded;
}
