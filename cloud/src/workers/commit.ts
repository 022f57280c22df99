import { CHANGES_PER_EPISODE, episodeChanges, type Raised, type Recorded } from '../alerts/episodes.ts';
import { totalChanges } from '../gaps/totals.ts';
import { HISTORY_TABLE } from '../store/history.ts';
import { CHANGES_MAX, type Change, type ItemKey, type Store } from '../store/store.ts';
import type { Effects } from './effects.ts';
import { type HandedOn, itemChanges, type Stamp } from './gather/parts.ts';

/** Transitions recorded by one write; what must be notified of 64 of them is one change more. */
const TRANSITIONS_PER_WRITE = 11;

const POSITIONS = { table: 'position', partition: 'worker' };

/** Up to where the workers of all partitions have read. */
export async function consumedPositions(store: Store): Promise<string[]> {
  const positions: string[] = [];
  let after: string | undefined;
  do {
    const page = await store.query({ ...POSITIONS, ...(after !== undefined && { after }) });
    for (const { json } of page.items) {
      const { position } = json as { position?: string };
      if (position !== undefined) positions.push(position);
    }
    after = page.next;
  } while (after !== undefined);
  return positions;
}

/**
 * Where a partition's worker has got to. Every write of a worker carries this item at the version it knows, so that
 * of two workers that hold one partition only one can write.
 *
 *     table `position` · partition `worker` · sort <log partition, 5 digits> · json: { position }
 */
export class Fence {
  readonly #key: ItemKey;
  readonly #store: Store;
  readonly #partition: number;
  #version = 0;
  #position: string | undefined;

  constructor(store: Store, partition: number) {
    this.#store = store;
    this.#partition = partition;
    this.#key = { ...POSITIONS, sort: `${partition}`.padStart(5, '0') };
  }

  /** Position of the last record whose effects are committed. */
  get position(): string | undefined {
    return this.#position;
  }

  /** Of the next write: no other has the same. */
  get stamp(): Stamp {
    return { partition: this.#partition, version: this.#version };
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

export interface Committed {
  /** Transitions that had not been recorded before. */
  fresh: Recorded[];
  handedOn: readonly HandedOn[];
}

/**
 * Commits what records caused: in one write where it fits. What does not fit is written before: alert transitions,
 * which are recorded once however often they come, and changes that do no harm when they are written again. Of the
 * transitions those of the cloud go first, and none of a device with them: a step that is run again raises them again,
 * but what a device told a function must not be recorded before the step is.
 */
export async function commit(effects: Effects, store: Store, fence: Fence, now: number): Promise<Committed> {
  const fresh: Recorded[] = [];
  const record = async (transitions: readonly Raised[]): Promise<Change[]> => {
    const recorded = await episodeChanges(store, transitions, now);
    fresh.push(...recorded.fresh);
    return recorded.changes;
  };
  effects.addOnce(await totalChanges(store, fence.stamp.partition, effects.missing));
  const room = CHANGES_MAX - 1;
  const kept = [...effects.keepers.flatMap((keeper) => keeper.changes()), ...effects.once];
  const { handedOn } = effects;
  const items = handedOn.reduce((sum, each) => sum + each.items.length, 0);
  const transitionsMax = Math.max(0, Math.floor((room - 1 - kept.length - items) / CHANGES_PER_EPISODE));
  let waiting = effects.transitions;
  while (waiting.length > Math.min(transitionsMax, TRANSITIONS_PER_WRITE)) {
    const raised = waiting.filter(({ origin }) => origin === 'cloud');
    const early = (raised.length > 0 ? raised : waiting).slice(0, TRANSITIONS_PER_WRITE);
    await fence.write(await record(early));
    waiting = waiting.filter((each) => !early.includes(each));
  }
  const last = [...(await record(waiting)), ...kept];
  const repeatable = effects.repeatable.toSorted((a, b) => lateness(a) - lateness(b));
  while (last.length + items + repeatable.length > room) {
    const early = repeatable.splice(0, room);
    if (early.length === 0) break;
    await fence.write(early);
  }
  const gathers = handedOn.flatMap((each) => itemChanges(each, fence.stamp));
  await fence.write([...last, ...repeatable, ...gathers], effects.position ?? fence.position);
  effects.tellCommitted();
  return { fresh, handedOn };
}

/** What a step emits must not be in history before the step is: another version may emit something else in its place. */
function lateness(change: Change): number {
  return ('put' in change ? change.put : change.remove).table === HISTORY_TABLE ? 1 : 0;
}
