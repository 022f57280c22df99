import assert from 'node:assert/strict';
import { byteLength } from '@weir/protocols';
import { CHANGES_MAX, type Change, ITEM_BYTES_MAX, type ItemKey, StoreError } from './store.ts';

/** A page ends before it passes this; DynamoDB ends one at 1 MB. */
export const PAGE_BYTES_MAX = 1_048_576;
/** Items of a page when the query names no limit. */
export const PAGE_ITEMS = 100;

/** JSON as it is stored. */
export function jsonText(change: Change): string | null {
  return 'remove' in change || change.json === undefined ? null : JSON.stringify(change.json);
}

/** @throws {StoreError} `too-large`. An item named twice in one write is a bug of the caller. */
export function verifyChanges(changes: readonly Change[], texts: readonly (string | null)[]): void {
  if (changes.length > CHANGES_MAX) {
    throw new StoreError('too-large', `${changes.length} changes in one write, over ${CHANGES_MAX}`);
  }
  const seen = new Set<string>();
  for (const [at, change] of changes.entries()) {
    const key = keyOf(change);
    const text = `${key.table}\0${key.partition}\0${key.sort}`;
    assert(!seen.has(text), `the item ${describeKey(key)} is written twice in one write`);
    seen.add(text);
    if ('remove' in change) continue;
    const bytes = byteLength(texts[at] ?? '') + (change.bytes?.length ?? 0);
    if (bytes > ITEM_BYTES_MAX) {
      throw new StoreError('too-large', `${describeKey(key)} would have ${bytes} bytes, over ${ITEM_BYTES_MAX}`);
    }
  }
}

export function keyOf(change: Change): ItemKey {
  return 'remove' in change ? change.remove : change.put;
}

export function conflictOf(change: Change, found: number): StoreError {
  return new StoreError('conflict', `${describeKey(keyOf(change))} has version ${found}, not ${change.ifVersion}`);
}

function describeKey({ table, partition, sort }: ItemKey): string {
  return `${table}/${partition}/${sort}`;
}
