/**
 * What is kept of the folds of one device that run in the cloud.
 *
 *     table `fold` · partition device · sort `state/<name>` · bytes: the state's JSON
 *                                     · sort `part/<n>`     · states that are kept by key, see packed-states.ts
 *                                     · sort `good/<name>`  · bytes: the state of its last good version
 *                                     · sort `deployed`     · json: the successions that the states belong to
 *
 * The list of what was deployed is kept so that what has been taken away meanwhile can end its alerts.
 */
import type { JsonObject } from '@weir/protocols';
import type { StepOutput, Succession } from '@weir/runtime';
import type { Change, ItemKey, Store } from '../store/store.ts';
import { PART_PREFIX, PackedStates } from './packed-states.ts';

export type CloudSuccession = Succession<JsonObject>;

export const FOLD_TABLE = 'fold';

const DEPLOYED = 'deployed';
const STATE_PREFIX = 'state/';
const GOOD_PREFIX = 'good/';

export class KeptFolds {
  readonly #store: Store;
  readonly #device: string;
  #deployed: readonly CloudSuccession[] = [];
  /** JSON by name, as loaded, until a host holds them. */
  readonly states = new Map<string, string>();
  #dirty = new Map<string, Change>();
  readonly #packed: PackedStates;

  private constructor(store: Store, device: string) {
    this.#store = store;
    this.#device = device;
    this.#packed = new PackedStates((sort) => this.#key(sort));
  }

  static async load(store: Store, device: string): Promise<KeptFolds> {
    const kept = new KeptFolds(store, device);
    let after: string | undefined;
    do {
      const page = await store.query({ table: FOLD_TABLE, partition: device, ...(after !== undefined && { after }) });
      for (const { sort, json, bytes } of page.items) {
        if (sort === DEPLOYED) kept.#deployed = (json as CloudSuccession[]).map((each) => ({ ...each }));
        else if (sort.startsWith(PART_PREFIX)) kept.#packed.load(sort, bytes!, kept.states);
        else if (sort.startsWith(STATE_PREFIX)) kept.states.set(sort.slice(STATE_PREFIX.length), textOf(bytes!));
      }
      after = page.next;
    } while (after !== undefined);
    return kept;
  }

  get deployed(): readonly CloudSuccession[] {
    return this.#deployed;
  }

  /** Forgets the states of last good versions that nobody can go back to any more. */
  keepDeployed(next: readonly CloudSuccession[]): void {
    const before = this.#deployed;
    if (next === before) return;
    this.#deployed = next;
    const saved = before.flatMap(({ name, lastGood }) => (lastGood === undefined ? [] : [`${GOOD_PREFIX}${name}`]));
    const saving = [...this.#dirty.keys()].filter((sort) => sort.startsWith(GOOD_PREFIX));
    for (const sort of new Set([...saved, ...saving])) {
      const isNeeded = next.some(({ name, lastGood }) => lastGood !== undefined && sort === `${GOOD_PREFIX}${name}`);
      if (!isNeeded) this.#put(sort, undefined);
    }
    if (JSON.stringify(next) === JSON.stringify(before)) return;
    const key = this.#key(DEPLOYED);
    this.#dirty.set(DEPLOYED, next.length === 0 ? { remove: key } : { put: key, json: next });
  }

  keepStates({ states }: StepOutput): void {
    for (const { fold, json } of states) {
      if (fold.includes('/')) this.#packed.put(fold, json ?? undefined);
      else this.#put(`${STATE_PREFIX}${fold}`, json ?? undefined);
    }
  }

  /** JSON of a fold's state as it was kept last, and of that of its last good version. */
  async statesOf(name: string): Promise<{ current: string | undefined; saved: string | undefined }> {
    return { current: await this.#get(`${STATE_PREFIX}${name}`), saved: await this.#get(`${GOOD_PREFIX}${name}`) };
  }

  /** Keeps the state of now for the version that is being replaced. */
  async saveGood(name: string): Promise<void> {
    this.#put(`${GOOD_PREFIX}${name}`, await this.#get(`${STATE_PREFIX}${name}`));
  }

  get weight(): number {
    return this.#dirty.size + this.#packed.weight;
  }

  changes(): Change[] {
    return [...this.#dirty.values(), ...this.#packed.changes()];
  }

  committed(): void {
    this.#dirty.clear();
    this.#packed.committed();
  }

  #put(sort: string, json: string | undefined): void {
    const key = this.#key(sort);
    this.#dirty.set(sort, json === undefined ? { remove: key } : { put: key, bytes: new TextEncoder().encode(json) });
  }

  async #get(sort: string): Promise<string | undefined> {
    const dirty = this.#dirty.get(sort);
    const item = dirty ?? (await this.#store.get(this.#key(sort)));
    return item === undefined || 'remove' in item || item.bytes === undefined ? undefined : textOf(item.bytes);
  }

  #key(sort: string): ItemKey {
    return { table: FOLD_TABLE, partition: this.#device, sort };
  }
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
