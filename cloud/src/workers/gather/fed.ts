/**
 * Which gatherers take in what a device hands on: one that begins to has to know whether it is there, and one that it is no
 * longer handed on to, that it is no more of theirs.
 *
 *     table `fed` · partition device · sort `gatherers` · json: their ids
 */
import type { Standing } from '@weir/runtime';
import type { Feed } from '../../fleet/fleet.ts';
import type { Change, ItemKey, Store } from '../../store/store.ts';
import type { ForGatherer } from './feeds.ts';

const TABLE = 'fed';

export class Fed {
  readonly #key: ItemKey;
  #gatherers: readonly string[];
  /** Of which that was worked out. */
  #feeds: readonly Feed[] | undefined;
  #isChanged = false;

  private constructor(key: ItemKey, gatherers: readonly string[]) {
    this.#key = key;
    this.#gatherers = gatherers;
  }

  static async load(store: Store, device: string): Promise<Fed> {
    const key = { table: TABLE, partition: device, sort: 'gatherers' };
    const item = await store.get(key);
    return new Fed(key, (item?.json ?? []) as string[]);
  }

  /**
   * @param isOnline undefined: nobody knows
   * @returns what follows for those that begin or end, to be handed on with the changes
   */
  turn(feeds: readonly Feed[], isOnline: boolean | undefined): ForGatherer[] {
    if (feeds === this.#feeds) return [];
    this.#feeds = feeds;
    const now = feeds.filter(({ handlers }) => handlers.includes('offline')).map(({ gatherer }) => gatherer);
    const before = new Set(this.#gatherers);
    const gone = before.difference(new Set(now));
    const begun = now.filter((gatherer) => !before.has(gatherer));
    if (gone.size === 0 && begun.length === 0) return [];
    this.#gatherers = now;
    this.#isChanged = true;
    const is = isOnline ? 'online' : 'offline';
    return [
      ...[...gone].map((gatherer) => ({ gatherer, content: standing('gone') })),
      ...(isOnline === undefined ? [] : begun.map((gatherer) => ({ gatherer, content: standing(is) }))),
    ];
  }

  changes(): Change[] {
    if (!this.#isChanged) return [];
    return this.#gatherers.length === 0 ? [{ remove: this.#key }] : [{ put: this.#key, json: [...this.#gatherers] }];
  }

  committed(): void {
    this.#isChanged = false;
  }
}

function standing(is: Standing['is']): Standing {
  return { kind: 'standing', is };
}
