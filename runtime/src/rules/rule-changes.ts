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
  readonly #keys = new Set<string>();

  constructor(isOfRule: boolean) {
    this.isOfRule = isOfRule;
  }

  add(subject: SubjectFold): void {
    this.#keys.add(subject.key);
  }

  /** Also one that is there no more. */
  addReference(series: string): void {
    this.#keys.add(`=${series}`);
  }

  /** It is forgotten, with all that was written of it. */
  forget(subject: SubjectFold): void {
    for (const key of keysOf(subject)) this.#keys.add(key);
  }

  take({ keptAs, state, subjects, references }: RuleKeeps, into: Written[]): void {
    if (this.isOfRule) into.push({ fold: keptAs, json: JSON.stringify(state()) });
    this.isOfRule = false;
    const from = into.length;
    for (const key of this.#keys) {
      const subject = subjects.get(key);
      const reference = key.startsWith('=') ? references.get(key.slice(1)) : undefined;
      if (subject !== undefined) writeSubject(keptAs, subject, into);
      else into.push({ fold: subjectKey(keptAs, key), json: reference ? JSON.stringify(reference) : null });
    }
    for (let at = from; at < into.length; at++) this.meter.wrote(into[at]!.fold, into[at]!.json);
    this.#keys.clear();
  }
}

/** All of it, as JSON by key. */
export function keptStates({ keptAs, state, subjects, references }: RuleKeeps): Map<string, string> {
  const states = new Map([[keptAs, JSON.stringify(state())]]);
  for (const [key, subject] of subjects) states.set(subjectKey(keptAs, key), JSON.stringify(subject.state));
  for (const [key, sample] of references) states.set(referenceKey(keptAs, key), JSON.stringify(sample));
  return states;
}
