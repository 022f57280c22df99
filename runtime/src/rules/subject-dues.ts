import { DueTimes } from './due-times.ts';
import type { SubjectFold } from './episode/subject.ts';
import type { Settle } from './episode/subject-port.ts';

/**
 * When the subjects of a rule fall due by the clock. Silence is put off with every reading: of one that is due later than it
 * was, that is seen only when its former time has come.
 */
export class SubjectDues {
  readonly #times = new DueTimes<SubjectFold>();

  /** Never later than it is; infinity: nothing falls due. */
  get next(): number {
    return this.#times.next ?? Number.POSITIVE_INFINITY;
  }

  /** To be called whenever something has come to it. */
  set(subject: SubjectFold, settle: Settle): void {
    const due = subject.due(settle);
    if (due < (this.#times.get(subject) ?? Number.POSITIVE_INFINITY)) this.#times.set(subject, due);
  }

  /** All of them, as they are now. */
  renew(subjects: Iterable<SubjectFold>, settle: Settle): void {
    this.#times.clear();
    for (const subject of subjects) this.set(subject, settle);
  }

  delete(subject: SubjectFold): void {
    this.#times.delete(subject);
  }

  /** Takes out what is due by then; in the order of their places, so that it does not hang on how long each was due. */
  take(now: number, settle: Settle): SubjectFold[] {
    const due: SubjectFold[] = [];
    for (const subject of this.#times.take(now)) {
      if (subject.due(settle) <= now) due.push(subject);
      else this.set(subject, settle);
    }
    return due.sort((a, b) => a.place - b.place);
  }
}
