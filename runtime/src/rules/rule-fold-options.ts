import type { JsonObject, RulePlan } from '@weir/protocols';
import type { OnStep } from './episode/teller.ts';

export interface RuleFoldOptions {
  /** Of the host. */
  device: string;
  plan: RulePlan;
  version: string;
  /** Of the deployment. */
  config: JsonObject;
  /** JSON by key, as committed last, or as the version before has them. */
  states: ReadonlyMap<string, string>;
  /** Wall time, ms. */
  now: number;
  /** Key of what is kept; default: the name of the rule. */
  keptAs?: string;
  /** It goes on where another version is just now; default: the host starts. */
  isTakenOver?: boolean;
  onStep?: OnStep | undefined;
}
