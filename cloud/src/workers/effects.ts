import type { AlertTransition } from '@weir/protocols';
import type { FunctionUsage } from '@weir/runtime';
import { CHANGES_PER_EPISODE, type Raised, raised } from '../alerts/episodes.ts';
import type { Origin } from '../api/events.ts';
import type { LaneMissing } from '../gaps/totals.ts';
import type { Change } from '../store/store.ts';
import { type HandedOn, itemsOf, type PackedPart, type Part, pack, sizeOf } from './gather/parts.ts';

/** Whatever keeps changes of its own until they are committed. */
export interface Keeper {
  changes(): Change[];
  committed(): void;
  /** How many changes it has; default: two. */
  readonly weight?: number;
}

/** Changes of one commit, so that it stays well within what the store takes in one write. */
const CHANGES_TARGET = 50;
const BYTES_TARGET = 2 * 1024 * 1024;

/** What a run of records caused, gathered to be committed together. */
export class Effects {
  /** Position of the last record taken in; undefined while none was. */
  position: string | undefined;
  records = 0;
  readings = 0;
  /** Items that had been received before. */
  duplicates = 0;
  readonly transitions: Raised[] = [];
  reports = 0;
  /** What is missing, by how much it has changed. */
  readonly missing: LaneMissing[] = [];
  /** By functions in the cloud. */
  readonly used: FunctionUsage[] = [];
  /** By key, so that a thing caused twice is written once. */
  #changes = new Map<string, Change>();
  #once: Change[] = [];
  #committed: (() => void)[] = [];
  #keepers = new Set<Keeper>();
  /** By gatherer, what is handed on to it. */
  #handedOn = new Map<string, PackedPart[]>();
  #bytes = 0;

  /** Changes whose keys derive from what is in them: written early or twice, they do no harm. */
  get repeatable(): Change[] {
    return [...this.#changes.values()];
  }

  /** Changes that hold once: they belong into the write that notes what caused them as received. */
  get once(): readonly Change[] {
    return this.#once;
  }

  get keepers(): Keeper[] {
    return [...this.#keepers];
  }

  get empty(): boolean {
    const lists = [this.transitions, this.#once, this.used];
    const isUntouched = this.#keepers.size === 0 && this.#handedOn.size === 0;
    return this.position === undefined && isUntouched && lists.every((list) => list.length === 0);
  }

  /** Time to commit. */
  get full(): boolean {
    const kept = this.keepers.reduce((sum, { weight = 2 }) => sum + weight, 0) + this.#handedOn.size;
    const changes = this.#changes.size + this.#once.length + kept + this.transitions.length * CHANGES_PER_EPISODE;
    return changes >= CHANGES_TARGET || this.#bytes >= BYTES_TARGET;
  }

  touch(keeper: Keeper): void {
    this.#keepers.add(keeper);
  }

  add(changes: readonly Change[]): void {
    for (const change of changes) {
      const { table, partition, sort } = 'remove' in change ? change.remove : change.put;
      this.#changes.set(`${table}\0${partition}\0${sort}`, change);
      if ('put' in change) this.#bytes += change.bytes?.length ?? 0;
    }
  }

  /** @param committed called when they are */
  addOnce(changes: readonly Change[], committed?: () => void): void {
    this.#once.push(...changes);
    if (committed !== undefined) this.#committed.push(committed);
  }

  use(used: readonly FunctionUsage[]): void {
    this.used.push(...used);
  }

  handOn(gatherer: string, part: Part): void {
    const parts = this.#handedOn.get(gatherer) ?? [];
    this.#handedOn.set(gatherer, parts);
    for (const packed of pack(part)) {
      parts.push(packed);
      this.#bytes += sizeOf(packed);
    }
  }

  get handedOn(): HandedOn[] {
    return [...this.#handedOn].map(([gatherer, parts]) => ({ gatherer, items: itemsOf(parts) }));
  }

  /** To be called when everything is committed. */
  tellCommitted(): void {
    for (const keeper of this.#keepers) keeper.committed();
    for (const committed of this.#committed) committed();
  }

  addTransitions(origin: Origin, transitions: readonly AlertTransition[]): void {
    this.transitions.push(...raised(origin, transitions));
  }
}
