import type { OnStep } from '../rules/episode/teller.ts';
import type { FunctionSandbox } from '../sandbox/sandbox.ts';
import type { Witness } from './calls.ts';
import type { Fault, FoldStatus, StepOutput } from './fold.ts';

export interface FoldHostOptions {
  device: string;
  sandbox: FunctionSandbox;
  /** Told when a fold's state of health changed, e.g. quarantined. */
  onStatus?: (status: FoldStatus[]) => void;
  /** Told of each error of user code; a step tells of some at most. */
  onFault?: (fault: Fault) => void;
  /** How far commands of functions go; `device` (default): to that device only. */
  reach?: 'device' | 'fleet';
  /** Between the retries of a function that wants some; default: none. */
  wait?: (ms: number) => Promise<void>;
  /** Told of what some functions are asked to do, so that another version can do the same beside them. */
  witness?: Witness;
  /** A clock that only goes on, to say what rules cost; default: what they cost is not known. */
  elapsedMs?: () => number;
  /** Told of each time a rule was judged, to explain why it does or does not fire. */
  onRuleStep?: OnStep;
  /** Nothing is committed: what rules keep is given when it is asked for, not with each step. Default: false. */
  holdsStates?: boolean;
  /** Nobody else uses what it loads into the sandbox: it takes that with it when it is disposed of. Default: false. */
  ownsUnits?: boolean;
}

/** For whoever lets a clock run that need not wait. */
export interface Driven {
  /** Wall time before which a tick brings about nothing, unless something else comes; ms. */
  readonly dueAt: number;
  /** What rules keep and steps have not given yet, with `holdsStates`. */
  takeStates(): StepOutput['states'];
}
