import { topicMatches } from '@weir/protocols';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { QoS } from './front.ts';
import { Subscriptions } from './subscriptions.ts';

interface Named {
  name: string;
  filters: Map<string, QoS>;
}

const named = (name: string): Named => ({ name, filters: new Map() });

const level = fc.constantFrom('a', 'b', '$aws', '');
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'));
const qos = fc.constantFrom<QoS>(0, 1);
const step = fc.record({ who: fc.nat(3), filter, qos, isAdded: fc.boolean() });

test('whoever subscribed hears what matches, once, at the highest QoS, after any order of subscribing and leaving', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 40 }),
      fc.array(topic, { minLength: 1, maxLength: 10 }),
      (steps, topics) => {
        const all = ['w', 'x', 'y', 'z'].map(named);
        const subscriptions = new Subscriptions<Named>();
        const wanted = new Map(all.map((each) => [each, new Map<string, QoS>()]));
        for (const { who, filter, qos, isAdded } of steps) {
          const each = all[who]!;
          if (isAdded) {
            subscriptions.add(each, filter, qos);
            wanted.get(each)!.set(filter, qos);
          } else {
            subscriptions.remove(each, filter);
            wanted.get(each)!.delete(filter);
          }
        }
        for (const topic of topics) {
          const expected = all.flatMap((each) => {
            const matching = [...wanted.get(each)!].filter(([filter]) => topicMatches(filter, topic));
            return matching.length === 0 ? [] : [[each.name, Math.max(...matching.map(([, qos]) => qos))]];
          });
          const found = [...subscriptions.of(topic)].map(([{ name }, qos]) => [name, qos]).sort();
          expect(found).toEqual(expected.sort());
        }
        for (const each of all) subscriptions.removeAll(each);
        expect(topics.flatMap((topic) => [...subscriptions.of(topic)])).toEqual([]);
      },
    ),
  );
});
