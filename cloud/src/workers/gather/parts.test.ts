import { type Columns, columnsOf, type Reading, readingsOf } from '@weir/protocols';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { verifyChanges } from '../../store/limits.ts';
import { ITEM_BYTES_MAX, type Item } from '../../store/store.ts';
import { alert, T0 } from '../worker.fixture.ts';
import { itemChanges, itemsOf, type Part, pack, rangeOf, sourceOf, unpack } from './parts.ts';

const GATHERER = 'plant/mean';

function changesOf(parts: readonly Part[], version = 7) {
  const items = itemsOf(parts.flatMap((part) => [...pack(part)]));
  return itemChanges({ gatherer: GATHERER, items }, { partition: 3, version });
}

/** As the store gives it back. */
function stored(parts: readonly Part[]): Item[] {
  const changes = changesOf(parts);
  verifyChanges(
    changes,
    changes.map((change) => JSON.stringify('json' in change ? change.json : null)),
  );
  return changes.map((change) => {
    if ('remove' in change) throw new Error('nothing is removed');
    const { put, json, bytes } = change;
    return { ...put, version: 1, json: JSON.parse(JSON.stringify(json)), ...(bytes !== undefined && { bytes }) };
  });
}

const words = ({ device, receivedAt, content }: Part): string[] => {
  const head = `${device} ${receivedAt}`;
  if (content.kind === 'readings')
    return [...readingsOf(content.columns)].map((each) => `${head} ${JSON.stringify(each)}`);
  return [`${head} ${JSON.stringify(content)}`];
};

const device = fc.constantFrom('gw1', 'gw2', 'a-longer-name');
const reading = fc.record({
  sensor: fc.constantFrom('s1', 's2'),
  metric: fc.constantFrom('temperature', 'state'),
  value: fc.oneof(fc.integer(), fc.boolean(), fc.constantFrom('open', 'shut')),
  ts: fc.integer({ min: T0, max: T0 + 1_000_000 }),
});
const content: fc.Arbitrary<Part['content']> = fc.oneof(
  fc
    .array(reading, { minLength: 1, maxLength: 50 })
    .map((list) => ({ kind: 'readings' as const, columns: columnsOf(list) })),
  fc.boolean().map((online) => ({ kind: 'presence' as const, online })),
  fc.constant({ kind: 'alerts' as const, alerts: [alert(1)] }),
);
const part = fc.record({ device, receivedAt: fc.integer({ min: T0, max: T0 + 10 }), content });

test('what is handed on comes out as it went in, in its order', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
      expect(stored(parts).flatMap(unpack).flatMap(words)).toEqual(parts.flatMap(words));
    }),
  );
});

test('readings that no item could take are cut; many small inputs share one', () => {
  const many = (count: number): Columns =>
    columnsOf(
      Array.from({ length: count }, (_, n): Reading => {
        return { sensor: `s${n % 7}`, metric: 'temperature', value: Math.sin(n), ts: T0 + ((n * 7_919) % 100_003) };
      }),
    );
  const large: Part = { device: 'gw1', receivedAt: T0, content: { kind: 'readings', columns: many(60_000) } };
  const items = stored([large]);
  expect(items.length).toBeGreaterThan(1);
  for (const { bytes } of items) expect(bytes!.length).toBeLessThan(ITEM_BYTES_MAX);
  expect(items.flatMap(unpack).flatMap(words)).toEqual(words(large));
  const small: Part = { device: 'gw1', receivedAt: T0, content: { kind: 'readings', columns: many(2) } };
  expect(stored(Array.from({ length: 200 }, () => small))).toHaveLength(1);
});

test('items stand in the order of their writes, and each partition of the log has a range of its own', () => {
  const some: Part = { device: 'gw1', receivedAt: T0, content: { kind: 'presence', online: true } };
  const sorts = [9, 10, 1_000_000].map((version) => {
    const [change] = changesOf([some], version);
    return 'put' in change! ? change.put.sort : '';
  });
  expect(sorts.toSorted()).toEqual(sorts);
  const { from, to } = rangeOf(3);
  for (const sort of sorts) expect([sort >= from && sort < to, sourceOf({ sort })]).toEqual([true, 3]);
});
