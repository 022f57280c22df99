/** What a step brought about, as it is committed. */
import type { Deployed, StepOutput } from '@weir/runtime';
import type { StepCommit } from './step-commit.ts';

export type CommitDetail = Partial<Pick<StepCommit, 'through' | 'deployed' | 'settled' | 'learned'>> & {
  passedBytes?: number;
  /** When its readings arrived, by the clock of functions; ms. */
  arrivedAt?: number;
  /** What has none counts as one where commits are bounded. */
  readings?: number;
  /** What made the output; default: what runs. */
  runs?: readonly Deployed[];
  /** Called once it is committed. */
  done?: () => void;
};

type Given = Pick<StepCommit, 'number' | 'sinceRow' | 'alerts' | 'requests' | 'connected' | 'now' | 'time'>;

export function commitOf(output: StepOutput, detail: CommitDetail, given: Given): StepCommit {
  const { states, emitted, forwarded, publishes, commands, deadLetters, usage } = output;
  const { through, deployed, settled, learned } = detail;
  return {
    ...given,
    ...{ states, forwarded, publishes, commands, deadLetters, usage, through, deployed, settled, learned },
    emitted: emitted.index.length > 0 ? emitted : undefined,
  };
}

export function isEmpty({ logs: _logs, usage: _usage, ...rest }: StepOutput): boolean {
  const { emitted, forwarded, ...lists } = rest;
  if (forwarded !== undefined && forwarded.readings.length > 0) return false;
  return emitted.index.length === 0 && Object.values(lists).every((list) => list.length === 0);
}
