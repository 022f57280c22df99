import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DueTimes } from './due-times.ts';

test('whatever is set, set again and taken away: what is due comes once, soonest first, and nothing else does', () => {
  const deed = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), key: fc.nat(9), due: fc.option(fc.nat(100), { nil: undefined }) }),
    fc.record({ kind: fc.constant('take' as const), now: fc.nat(100) }),
  );
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 200 }), (deeds) => {
      const times = new DueTimes<number>();
      const wanted = new Map<number, number>();
      for (const each of deeds) {
        if (each.kind === 'set') {
          times.set(each.key, each.due);
          if (each.due === undefined) wanted.delete(each.key);
          else wanted.set(each.key, each.due);
        } else {
          const due = [...wanted].filter(([, at]) => at <= each.now);
          const taken = times.take(each.now);
          expect(taken.map((key) => wanted.get(key)!)).toEqual(due.map(([, at]) => at).sort((a, b) => a - b));
          expect([...taken].sort()).toEqual(due.map(([key]) => key).sort());
          for (const [key] of due) wanted.delete(key);
        }
        expect(times.next).toBe(wanted.size === 0 ? undefined : Math.min(...wanted.values()));
      }
    }),
  );
});
