import type { AlertTransition } from '@weir/protocols';
import type { Change, Store } from '../store/store.ts';

/**
 * Changes that record these transitions (episodes, their index, what must be notified), each transition at most once;
 * to be committed by the worker in its own write. At most 3 changes for each episode named, and one more.
 *
 * Reads what is committed: transitions of one episode that come in two calls must be committed in between.
 * @param now ms since epoch
 * @returns `fresh`: those not recorded before, in the order given
 */
export function episodeChanges(
  _store: Store,
  _transitions: readonly AlertTransition[],
  _origin: 'edge' | 'cloud',
  _now: number,
): Promise<{ changes: Change[]; fresh: AlertTransition[] }> {
  throw new Error('written next');
}
