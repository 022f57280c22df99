import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Change } from '../store/store.ts';
import { PackedStates } from './packed-states.ts';

const keyOf = (sort: string) => ({ table: 'fold', partition: 'gw1', sort });

class Kept {
  readonly items = new Map<string, Uint8Array>();
  writes: number[] = [];
  packed = new PackedStates(keyOf);

  commit(): void {
    const changes = this.packed.changes();
    this.writes.push(changes.length);
    for (const change of changes) this.#take(change);
    this.packed.committed();
  }

  /** As another worker finds it. */
  restart(): Map<string, string> {
    const found = new Map<string, string>();
    this.packed = new PackedStates(keyOf);
    for (const [sort, bytes] of this.items) this.packed.load(sort, bytes, found);
    return found;
  }

  #take(change: Change): void {
    if ('remove' in change) this.items.delete(change.remove.sort);
    else this.items.set(change.put.sort, change.bytes!);
  }
}

test('what was put is found again, whatever was put, removed, committed and restarted in between', () => {
  const key = fc.integer({ min: 0, max: 300 }).map((at) => `hot/oven${at}/temperature`);
  const act = fc.oneof(
    { weight: 20, arbitrary: fc.record({ key, json: fc.option(fc.json(), { nil: undefined }) }) },
    { weight: 1, arbitrary: fc.constant('restart' as const) },
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200 }), (acts) => {
      const kept = new Kept();
      const model = new Map<string, string>();
      for (const each of acts) {
        if (each === 'restart') expect(kept.restart()).toEqual(model);
        else {
          kept.packed.put(each.key, each.json);
          if (each.json === undefined) model.delete(each.key);
          else model.set(each.key, each.json);
          kept.commit();
        }
      }
      expect(kept.restart()).toEqual(model);
    }),
  );
});

test('ten thousand states are 16 items, of which one that changes writes one, and all together fit into one write', () => {
  const kept = new Kept();
  const json = JSON.stringify({ text: 'x'.repeat(250) });
  for (let at = 0; at < 10_000; at++) kept.packed.put(`hot/s${at}/temperature`, json);
  kept.commit();
  expect(kept.items.size).toBe(16);
  expect(Math.max(...[...kept.items.values()].map(({ length }) => length))).toBeLessThan(300_000);
  kept.packed.put('hot/s17/temperature', '{}');
  kept.commit();
  expect(kept.writes).toEqual([16, 1]);
  kept.packed.put('hot/s17/temperature', '{}');
  kept.commit();
  expect(kept.writes.at(-1)).toBe(0);
});
