/**
 * States that folds keep by key, of which there may be thousands for a device: some at a time in one item, so that what
 * one step changes fits into one write, and is not all of them.
 *
 *     table `fold` · partition device · sort `part/<n>` · bytes: lines of <key> TAB <JSON>
 *
 * A key belongs to the part that its hash says, of as many parts as there are; with more bytes there are twice as many.
 */
import type { Change, ItemKey } from '../store/store.ts';

/** With the states of all functions and rules of a device, and their alerts, they fit into one write. */
const PARTS_MAX = 16;
/** Small enough to be written with each step. */
const PART_BYTES = 16_384;

export const PART_PREFIX = 'part/';

export class PackedStates {
  readonly #keyOf: (sort: string) => ItemKey;
  readonly #states = new Map<string, string>();
  #chars = 0;
  #parts = 1;
  #dirty = new Set<number>();

  constructor(keyOf: (sort: string) => ItemKey) {
    this.#keyOf = keyOf;
  }

  /** As many changes there are to be written. */
  get weight(): number {
    return this.#dirty.size;
  }

  /** @param sort of an item that was kept */
  load(sort: string, bytes: Uint8Array, into: Map<string, string>): void {
    const part = Number(sort.slice(PART_PREFIX.length));
    while (this.#parts <= part) this.#parts *= 2;
    for (const line of new TextDecoder().decode(bytes).split('\n')) {
      const tab = line.indexOf('\t');
      if (tab < 0) continue;
      const [key, json] = [line.slice(0, tab), line.slice(tab + 1)];
      this.#set(key, json);
      into.set(key, json);
    }
  }

  put(key: string, json: string | undefined): void {
    if (this.#states.get(key) === json) return;
    this.#set(key, json);
    this.#dirty.add(this.#partOf(key));
    if (this.#chars > PART_BYTES * this.#parts && this.#parts < PARTS_MAX) this.#divide();
  }

  changes(): Change[] {
    const lines = new Map([...this.#dirty].map((part) => [part, [] as string[]]));
    for (const [key, json] of this.#states) lines.get(this.#partOf(key))?.push(`${key}\t${json}`);
    return [...lines].map(([part, list]) => {
      const key = this.#keyOf(`${PART_PREFIX}${part}`);
      return list.length === 0 ? { remove: key } : { put: key, bytes: new TextEncoder().encode(list.join('\n')) };
    });
  }

  committed(): void {
    this.#dirty.clear();
  }

  #set(key: string, json: string | undefined): void {
    const before = this.#states.get(key);
    if (before !== undefined) this.#chars -= key.length + before.length;
    if (json === undefined) {
      this.#states.delete(key);
      return;
    }
    this.#states.set(key, json);
    this.#chars += key.length + json.length;
  }

  #divide(): void {
    while (this.#chars > PART_BYTES * this.#parts && this.#parts < PARTS_MAX) this.#parts *= 2;
    for (let part = 0; part < this.#parts; part++) this.#dirty.add(part);
  }

  /** FNV-1a; the same for ever, or what is kept would be found in two parts. */
  #partOf(key: string): number {
    let hash = 0x811c9dc5;
    for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
    return (hash >>> 0) % this.#parts;
  }
}
