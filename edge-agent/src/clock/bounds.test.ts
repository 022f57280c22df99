import fc from 'fast-check';
import { expect, test } from 'vitest';
import { askAgainMs, type Bounds, boundsOf, middle, narrowed, nearest } from './bounds.ts';

/** A hub whose time is `offset` ahead of the monotonic clock here, asked over a way that takes so long. */
function ask(offset: number, sentAt: number, there: number, back: number): Bounds {
  const seconds = Math.floor((sentAt + there + offset) / 1000);
  return boundsOf({ sentAt, receivedAt: sentAt + there + back, seconds });
}

const OFFSET = fc.double({ min: 1e12, max: 4e12, noNaN: true });
const SPAN = fc.double({ min: 0, max: 3_000, noNaN: true });

test('however slow the way there and back: what an answer says is true, and so is what many say together', () => {
  fc.assert(
    fc.property(OFFSET, fc.array(fc.tuple(SPAN, SPAN, SPAN), { minLength: 1, maxLength: 20 }), (offset, ways) => {
      let known: Bounds | undefined;
      let now = 5_000;
      for (const [pause, there, back] of ways) {
        const fresh = ask(offset, now + pause, there, back);
        const next = narrowed(known, fresh);
        now = next.at;
        for (const { min, max } of [fresh, next]) {
          expect(min).toBeLessThanOrEqual(offset + 1e-3);
          expect(max).toBeGreaterThanOrEqual(offset - 1e-3);
        }
        expect(next.max - next.min).toBeLessThanOrEqual(fresh.max - fresh.min);
        known = next;
      }
    }),
  );
});

test('six questions, asked as it says, tell the time to 60 ms though the hub tells whole seconds', () => {
  fc.assert(
    fc.property(
      OFFSET,
      fc.double({ min: 0, max: 20, noNaN: true }),
      fc.double({ min: 0, max: 999, noNaN: true }),
      (offset, way, start) => {
        let now = 1_000 + start;
        let known: Bounds | undefined;
        let asked = 0;
        for (let wait: number | undefined = 0; wait !== undefined && asked < 6; asked++) {
          now += wait;
          known = narrowed(known, ask(offset, now, way, way));
          now = known.at;
          wait = askAgainMs(known, now, 2 * way);
        }
        expect(Math.abs(middle(known!) - offset), `after ${asked} questions`).toBeLessThanOrEqual(60);
      },
    ),
  );
});

test('a hub whose clock was set is believed anew', () => {
  const before = ask(1.7e12, 1_000, 5, 5);
  const after = ask(1.7e12 + 3_600_000, 61_000, 5, 5);
  expect(narrowed(before, after)).toEqual(after);
});

test('the nearest value within bounds is a whole one, and the value itself where it is one of them', () => {
  fc.assert(
    fc.property(OFFSET, SPAN, fc.integer({ min: -5_000, max: 5_000 }), (min, width, away) => {
      const bounds = { min, max: min + 1 + width, at: 0 };
      const found = nearest(bounds, Math.round(min) + away);
      expect(Number.isInteger(found)).toBe(true);
      expect(found).toBeGreaterThanOrEqual(bounds.min);
      expect(found).toBeLessThanOrEqual(bounds.max);
    }),
  );
});
