/** What every store must do; each adapter's test runs it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CHANGES_MAX, type Change, ITEM_BYTES_MAX, type ItemKey, type Query, type Store } from './store.ts';

export interface StoreContractOptions {
  /** A new, empty store. */
  open(): Promise<Store>;
}

const key = (sort: string, partition = 'p'): ItemKey => ({ table: 't', partition, sort });

async function sorts(store: Store, query: Partial<Query> = {}): Promise<string[]> {
  const { items } = await store.query({ table: 't', partition: 'p', ...query });
  return items.map((item) => item.sort);
}

export function storeContract(name: string, { open }: StoreContractOptions): void {
  describe(`${name} keeps the contract of a store`, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    test('an item comes back as it went in, JSON and bytes', async () => {
      await store.write([{ put: key('a'), json: { n: 1, list: [null, 'x'] }, bytes: new Uint8Array([0, 255]) }]);
      const item = (await store.get(key('a')))!;
      expect({ ...item, bytes: [...item.bytes!] }).toEqual({
        ...key('a'),
        version: 1,
        json: { n: 1, list: [null, 'x'] },
        bytes: [0, 255],
      });
      expect(await store.get(key('b'))).toBeUndefined();
    });

    test('what a caller does to its objects afterwards changes nothing', async () => {
      const json = { n: 1 };
      const bytes = new Uint8Array([1, 2, 3]);
      await store.write([{ put: key('a'), json, bytes: bytes.subarray(1) }]);
      json.n = 2;
      bytes.fill(9);
      const item = (await store.get(key('a')))!;
      expect({ json: item.json, bytes: [...item.bytes!] }).toEqual({ json: { n: 1 }, bytes: [2, 3] });
    });

    test('a put replaces the whole item', async () => {
      await store.write([{ put: key('a'), json: 1, bytes: new Uint8Array([1]) }]);
      await store.write([{ put: key('a'), json: 2 }]);
      expect(await store.get(key('a'))).toEqual({ ...key('a'), version: 2, json: 2 });
    });

    test('versions count from 1, and start anew after a removal', async () => {
      for (const expected of [1, 2, 3]) {
        await store.write([{ put: key('a'), json: expected }]);
        expect((await store.get(key('a')))!.version).toBe(expected);
      }
      await store.write([{ remove: key('a') }]);
      expect(await store.get(key('a'))).toBeUndefined();
      await store.write([{ put: key('a'), json: 0, ifVersion: 0 }]);
      expect((await store.get(key('a')))!.version).toBe(1);
    });

    const conflicts: [string, Change][] = [
      ['a put that expects no item', { put: key('there'), ifVersion: 0 }],
      ['a put that expects an older version', { put: key('there'), ifVersion: 1 }],
      ['a put that expects an item where none is', { put: key('gone'), ifVersion: 1 }],
      ['a removal that expects an older version', { remove: key('there'), ifVersion: 1 }],
    ];
    test.each(conflicts)('%s conflicts, and nothing of its write happens', async (_, change) => {
      await store.write([{ put: key('there'), json: 1 }]);
      await store.write([{ put: key('there'), json: 2 }]);
      const attempt = store.write([{ put: key('first'), json: 1 }, change, { remove: key('there') }].filter(unique()));
      await expect(attempt).rejects.toMatchObject({ code: 'conflict', retryable: false });
      expect(await store.get(key('first'))).toBeUndefined();
      expect((await store.get(key('there')))!.json).toBe(2);
    });

    test('of many conditional writes at one version exactly one wins', async () => {
      await store.write([{ put: key('a'), json: 'start' }]);
      const attempts = Array.from({ length: 20 }, (_, n) => store.write([{ put: key('a'), json: n, ifVersion: 1 }]));
      const outcomes = await Promise.allSettled(attempts);
      expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(1);
      expect((await store.get(key('a')))!.version).toBe(2);
    });

    test('a query walks one partition of one table, in order of bytes', async () => {
      const names = ['b', 'a', 'Z', 'é', '10', '9', '\u{1f600}', '\uffee'];
      await store.write(names.map((sort) => ({ put: key(sort), json: 1 })));
      await store.write([{ put: key('x', 'other'), json: 1 }, { put: { ...key('y'), table: 'u' } }]);
      // By UTF-16 units the emoji would come before U+FFEE.
      const expected = ['10', '9', 'Z', 'a', 'b', 'é', '\uffee', '\u{1f600}'];
      expect(await sorts(store)).toEqual(expected);
      expect(await sorts(store, { reverse: true })).toEqual(expected.toReversed());
    });

    test('bounds: from is inclusive, to is exclusive', async () => {
      await store.write(['a', 'b', 'c', 'd'].map((sort) => ({ put: key(sort) })));
      expect(await sorts(store, { from: 'b', to: 'd' })).toEqual(['b', 'c']);
      expect(await sorts(store, { from: 'b', to: 'd', reverse: true })).toEqual(['c', 'b']);
      expect(await sorts(store, { from: 'bb' })).toEqual(['c', 'd']);
    });

    test.each([false, true])('pages join without loss or repetition (reverse: %s)', async (reverse) => {
      const names = Array.from({ length: 23 }, (_, n) => `${n}`.padStart(3, '0'));
      await store.write(names.map((sort) => ({ put: key(sort) })));
      const found: string[] = [];
      let after: string | undefined;
      do {
        const page = await store.query({ table: 't', partition: 'p', limit: 5, reverse, ...(after && { after }) });
        expect(page.items.length).toBeLessThanOrEqual(5);
        found.push(...page.items.map((item) => item.sort));
        after = page.next;
      } while (after !== undefined);
      expect(found).toEqual(reverse ? names.toReversed() : names);
    });

    test('a page is bounded in bytes too, and goes on after', async () => {
      const bytes = new Uint8Array(300_000);
      for (const sort of ['a', 'b', 'c', 'd', 'e']) await store.write([{ put: key(sort), bytes }]);
      const page = await store.query({ table: 't', partition: 'p' });
      expect(page.items.length).toBeLessThan(5);
      const rest = await store.query({ table: 't', partition: 'p', after: page.next! });
      expect([...page.items, ...rest.items].map((item) => item.sort)).toEqual(['a', 'b', 'c', 'd', 'e']);
    });

    test('partitions of a table are listed in order, page by page, and only while they hold an item', async () => {
      await store.write(['c', 'a', 'b', 'd'].map((partition) => ({ put: key('x', partition) })));
      await store.write([{ put: key('y', 'a') }, { remove: key('x', 'd') }]);
      expect(await store.partitions('t')).toEqual({ names: ['a', 'b', 'c'] });
      const { names, next } = await store.partitions('t', { limit: 2 });
      expect(names).toEqual(['a', 'b']);
      expect(await store.partitions('t', { limit: 2, after: next! })).toEqual({ names: ['c'] });
      expect(await store.partitions('nothing')).toEqual({ names: [] });
    });

    test('limits: too many changes, or an item too large, and nothing is written', async () => {
      const many = Array.from({ length: CHANGES_MAX + 1 }, (_, n) => ({ put: key(`${n}`) }));
      await expect(store.write(many)).rejects.toMatchObject({ code: 'too-large' });
      await store.write(many.slice(0, CHANGES_MAX));
      const large: Change[] = [{ put: key('small') }, { put: key('large'), bytes: new Uint8Array(ITEM_BYTES_MAX + 1) }];
      await expect(store.write(large)).rejects.toMatchObject({ code: 'too-large' });
      expect(await store.get(key('small'))).toBeUndefined();
      await store.write([{ put: key('large'), bytes: new Uint8Array(ITEM_BYTES_MAX) }]);
    });

    test('an item twice in one write is a bug of the caller', async () => {
      await expect(store.write([{ put: key('a') }, { remove: key('a') }])).rejects.toThrow('twice');
    });

    test('after close it refuses, and close may be repeated', async () => {
      await store.close();
      await store.close();
      await expect(store.write([{ put: key('a') }])).rejects.toMatchObject({ code: 'closed' });
    });
  });
}

/** Keeps the first change of each item, so that the tables above need no care. */
function unique(): (change: Change) => boolean {
  const seen = new Set<string>();
  return (change) => {
    const { sort } = 'put' in change ? change.put : change.remove;
    if (seen.has(sort)) return false;
    seen.add(sort);
    return true;
  };
}
