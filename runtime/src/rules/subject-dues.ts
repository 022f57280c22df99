import { DueTimes } from './due-times.ts';
import type { Settle, SubjectFold } from './episode/subject.ts';

/** When the subjects of a rule fall due by the clock; infinity: nothing does. */
export class SubjectDues {
  readonly #times = new DueTimes<SubjectFold>();

  get next(): number {
    return this.#times.next ?? Number.POSITIVE_INFINITY;
  }

  /** To be called whenever something has come to it. */
  set(subject: SubjectFold, settle: Settle): void {
    const due = subject.due(settle);
    this.#times.set(subject, due === Number.POSITIVE_INFINITY ? undefined : due);
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
  take(now: number): SubjectFold[] {
    return this.#times.take(now).sort((a, b) => a.place - b.place);
  }
}
