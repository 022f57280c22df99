import type { AlertTransition } from '@weir/protocols';
import { episodeChanges } from '../alerts/episodes.ts';
import { CHANGES_MAX, type Change, type ItemKey, type Store } from '../store/store.ts';
import type { Effects } from './effects.ts';

/** Transitions recorded by one write: three changes each, and room for the rest. */
const TRANSITIONS_PER_WRITE = 20;

/**
 * Where a partition's worker has got to. Every write of a worker carries this item at the version it knows, so that
 * of two workers that hold one partition only one can write.
 *
 *     table `position` · partition `worker` · sort <log partition, 5 digits> · json: { position }
 */
export class Fence {
  readonly #key: ItemKey;
  readonly #store: Store;
  #version = 0;
  #position: string | undefined;

  constructor(store: Store, partition: number) {
    this.#store = store;
    this.#key = { table: 'position', partition: 'worker', sort: `${partition}`.padStart(5, '0') };
  }

  /** Position of the last record whose effects are committed. */
  get position(): string | undefined {
    return this.#position;
  }

  async load(): Promise<void> {
    const item = await this.#store.get(this.#key);
    this.#version = item?.version ?? 0;
    this.#position = (item?.json as { position?: string } | undefined)?.position;
  }

  /** @throws {StoreError} `conflict` when another worker has written */
  async write(changes: readonly Change[], position = this.#position): Promise<void> {
    const json = position === undefined ? {} : { position };
    await this.#store.write([{ put: this.#key, json, ifVersion: this.#version }, ...changes]);
    this.#version++;
    this.#position = position;
  }
}

/**
 * Commits what records caused: in one write where it fits. What does not fit is written before: alert transitions,
 * which are recorded once however often they come, and changes that do no harm when they are written again.
 *
 * @returns the transitions that had not been recorded before
 */
export async function commit(effects: Effects, store: Store, fence: Fence, now: number): Promise<AlertTransition[]> {
  const fresh: AlertTransition[] = [];
  const record = async (transitions: readonly AlertTransition[]): Promise<Change[]> => {
    if (transitions.length === 0) return [];
    const recorded = await episodeChanges(store, transitions, effects.origin!, now);
    fresh.push(...recorded.fresh);
    return recorded.changes;
  };
  const waiting = [...effects.transitions];
  while (waiting.length > TRANSITIONS_PER_WRITE) {
    await fence.write(await record(waiting.splice(0, TRANSITIONS_PER_WRITE)));
  }
  const kept = effects.keepers.flatMap((keeper) => keeper.changes());
  const last = [...(await record(waiting)), ...kept, ...effects.once];
  const repeatable = effects.repeatable;
  const room = CHANGES_MAX - 1;
  while (last.length + repeatable.length > room) {
    const early = repeatable.splice(0, room);
    if (early.length === 0) break;
    await fence.write(early);
  }
  await fence.write([...last, ...repeatable], effects.position ?? fence.position);
  effects.tellCommitted();
  return fresh;
}
