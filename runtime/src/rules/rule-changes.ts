import { keysOf, type RuleState, referenceKey, subjectKey, type Written, writeSubject } from './episode/kept.ts';
import type { SubjectFold } from './episode/subject.ts';
import type { Reference } from './references.ts';
import { RuleMeter } from './rule-meter.ts';

/** What a rule keeps. */
export interface RuleKeeps {
  /** Under which name. */
  keptAs: string;
  state: () => RuleState;
  subjects: ReadonlyMap<string, SubjectFold>;
  references: ReadonlyMap<string, Reference>;
}

/** What of it has changed since it was written last. */
export class RuleChanges {
  /** What is not of one subject. */
  isOfRule: boolean;
  readonly meter = new RuleMeter();
  /** Subjects, and keys of what is none, or is no more. */
  readonly #changed = new Set<SubjectFold | string>();

  constructor(isOfRule: boolean) {
    this.isOfRule = isOfRule;
  }

  add(subject: SubjectFold): void {
    this.#changed.add(subject);
  }

  /** Also one that is there no more. */
  addReference(series: string): void {
    this.#changed.add(`=${series}`);
  }

  /** It is forgotten, with all that was written of it. */
  forget(subject: SubjectFold): void {
    this.#changed.delete(subject);
    for (const key of keysOf(subject)) this.#changed.add(key);
  }

  take({ keptAs, state, subjects, references }: RuleKeeps, into: Written[]): void {
    if (this.isOfRule) into.push({ fold: keptAs, json: JSON.stringify(state()) });
    this.isOfRule = false;
    const write = (key: string, json: string | null) => {
      this.meter.wrote(key, json);
      into.push({ fold: subjectKey(keptAs, key), json });
    };
    for (const each of this.#changed) {
      // Where one is forgotten, another of its key may have come.
      const subject = typeof each === 'string' ? subjects.get(each) : each;
      if (subject === undefined) {
        const key = each as string;
        const reference = key.startsWith('=') ? references.get(key.slice(1)) : undefined;
        write(key, reference ? JSON.stringify(reference) : null);
      } else if (subject === each || !this.#changed.has(subject)) writeSubject(subject, write);
    }
    this.#changed.clear();
  }
}

/** All of it, as JSON by key. */
export function keptStates({ keptAs, state, subjects, references }: RuleKeeps): Map<string, string> {
  const states = new Map([[keptAs, JSON.stringify(state())]]);
  for (const [key, subject] of subjects) states.set(subjectKey(keptAs, key), JSON.stringify(subject.state));
  for (const [key, sample] of references) states.set(referenceKey(keptAs, key), JSON.stringify(sample));
  return states;
}
