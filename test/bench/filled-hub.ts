/** A hub that comes up with a store that has something in it already. */
import { join } from 'node:path';
import { openSqliteStore, type Store } from '@weir/cloud';
import type { System } from '../support/system.ts';

/** Starts the hub of a system, which is its first start. @param fill writes into its store while the hub is down */
export async function startFilledHub(system: System, fill: (store: Store) => Promise<unknown>): Promise<void> {
  await system.startHub();
  await system.kill('hub', 'SIGTERM');
  const store = await openSqliteStore({ file: join(system.hubData, 'store.db') });
  await fill(store).finally(() => store.close());
  await system.startHub();
}
