/** Episodes that a hub of before recorded have no pointers by device and by rule: they get them, once. */
import { itemsOf } from '../fleet/keys.ts';
import { CHANGES_MAX, type Change, type ItemKey, type Store } from '../store/store.ts';
import { INDEX_TABLE, POINTER_TABLE, pointerKeys, statePartitions, summaryIn } from './index-keys.ts';

/** That it is done. A device or a rule has no such name. */
const DONE: ItemKey = { table: POINTER_TABLE, partition: 'done', sort: '1' };

/** Does no harm twice, nor beside workers: pointers have no content. */
export async function reindexEpisodes(store: Store): Promise<void> {
  if ((await store.get(DONE)) !== undefined) return;
  let changes: Change[] = [];
  for (const partition of statePartitions()) {
    for await (const item of itemsOf(store, { table: INDEX_TABLE, partition })) {
      changes.push(...pointerKeys(summaryIn(item)).map((put): Change => ({ put, json: {} })));
      if (changes.length < CHANGES_MAX - 1) continue;
      await store.write(changes);
      changes = [];
    }
  }
  await store.write([...changes, { put: DONE, json: {} }]);
}
