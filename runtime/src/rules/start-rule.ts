import { bundleIdentity, type Rule, rulePlan } from '@weir/protocols';
import type { Deployed } from '../fold/fold.ts';
import { statesOf } from '../fold/held.ts';
import type { OnStep } from './episode/teller.ts';
import { RuleFold } from './rule-fold.ts';

export interface RuleStart {
  /** Of the host. */
  device: string;
  /** The version that runs now; undefined: the host starts, or the rule is new. */
  before: RuleFold | undefined;
  /** JSON by key of all that is kept. */
  states: ReadonlyMap<string, string>;
  /** Wall time, ms. */
  now: number;
  onStep: OnStep | undefined;
}

/** A rule that goes on where it was. */
export function startRule(rule: Rule, deployed: Deployed, { before, states, ...start }: RuleStart): RuleFold {
  return new RuleFold({
    ...start,
    plan: rulePlan(rule),
    version: bundleIdentity(deployed.bundle, deployed.hash).version,
    config: deployed.config,
    states: before?.states ?? statesOf(deployed.name, states),
    isTakenOver: before !== undefined,
  });
}
