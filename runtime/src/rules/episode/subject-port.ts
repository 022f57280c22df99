/** What a subject tells of its episodes, and to whom. */
import type { AlertReason, AlertState } from '@weir/protocols';
import type { Tell } from './gap.ts';
import type { SubjectFold } from './subject.ts';
import type { Facts, Judged } from './track.ts';
import type { OpenState } from './transitions.ts';

/** What becomes of its episodes. */
export interface Teller {
  begun(subject: SubjectFold, startedAt: number): OpenState;
  /** @param isFirst it fires for the first time */
  tell(subject: SubjectFold, open: OpenState, facts: Facts, detail: TellDetail, isFirst: boolean): void;
  /** @returns an episode that is wholly in the past, as it was told */
  tellPast(subject: SubjectFold, startedAt: number, tells: readonly Tell[]): OpenState;
  onLook?(subject: SubjectFold, judged: Judged): void;
}

export interface TellDetail {
  state: AlertState;
  reason: AlertReason;
  ts: number;
  rung: number;
}

/** Time by which nothing falls due by the clock: from a start, or a device that has come back, on. */
export interface Settle {
  from: number;
  until: number;
}
