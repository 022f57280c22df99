import { expect, test } from 'vitest';
import type { SubjectFold } from './episode/subject.ts';
import { SubjectDues } from './subject-dues.ts';

const SETTLED = { from: 0, until: 0 };

/** Says when it is due, and is told so each time it is asked. */
function subjectAt(place: number, at: number) {
  const subject = {
    ...{ place, at, asked: 0 },
    due() {
      this.asked++;
      return this.at;
    },
  };
  return subject as typeof subject & SubjectFold;
}

test('what is due is taken in order of place, and the others are not so much as asked', () => {
  const dues = new SubjectDues();
  const subjects = Array.from({ length: 1_000 }, (_, place) => subjectAt(place, 5_000 - place));
  dues.renew(subjects, SETTLED);
  expect(dues.next).toBe(4_001);
  expect(dues.take(4_003, SETTLED).map(({ place }) => place)).toEqual([997, 998, 999]);
  expect(dues.take(4_003, SETTLED)).toEqual([]);
  expect(subjects.filter(({ asked }) => asked > 1).map(({ place }) => place)).toEqual([997, 998, 999]);
});

test('one that is set anew is due as it is now, one that has gone never', () => {
  const dues = new SubjectDues();
  const [first, second, third] = [subjectAt(0, 10), subjectAt(1, 20), subjectAt(2, Number.POSITIVE_INFINITY)];
  dues.renew([first, second, third], SETTLED);
  first.at = 30;
  dues.set(first, SETTLED);
  expect(dues.next).toBeLessThanOrEqual(20);
  expect(dues.take(15, SETTLED)).toEqual([]);
  expect(dues.next).toBe(20);
  dues.delete(second);
  expect(dues.next).toBe(30);
  third.at = 25;
  dues.set(third, SETTLED);
  expect(dues.take(30, SETTLED)).toEqual([first, third]);
  first.at = Number.POSITIVE_INFINITY;
  dues.set(first, SETTLED);
  expect(dues.next).toBe(Number.POSITIVE_INFINITY);
});

test('what is put off with every reading is looked at once in its time, not with each of them', () => {
  const dues = new SubjectDues();
  const subject = subjectAt(0, 60);
  dues.renew([subject], SETTLED);
  let looks = 0;
  for (let now = 1; now <= 600; now++) {
    subject.at = now + 60;
    dues.set(subject, SETTLED);
    if (now < dues.next) continue;
    looks++;
    expect(dues.take(now, SETTLED)).toEqual([]);
  }
  expect(looks).toBeLessThanOrEqual(10);
  expect(dues.take(660, SETTLED)).toEqual([subject]);
});
