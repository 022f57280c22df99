/**
 * Rules whose conditions are functions: the function says, as readings, what it thinks, and the rule here judges that. Whatever
 * keeps a function from saying anything makes what it said last unknown: it is no crossing, and nothing that would end one.
 */
import { bundleIdentity, rulePlan } from '@weir/protocols';
import type { OnStep } from '../rules/episode/teller.ts';
import { RuleFold } from '../rules/rule-fold.ts';
import { NO_USAGE } from '../usage/usage.ts';
import type { Deployed, FoldStatus, StepOutput } from './fold.ts';
import { type Held, statesOf, statusOf } from './held.ts';

export interface JudgesOptions {
  /** Of the host. */
  device: string;
  onStep: OnStep | undefined;
}

/** What is kept of the rule stands behind what is kept of the function. */
const KEPT = '/rule';

export class Judges {
  readonly #options: JudgesOptions;
  #held = new Map<string, Held>();

  constructor(options: JudgesOptions) {
    this.#options = options;
  }

  get all(): Iterable<Held> {
    return this.#held.values();
  }

  /** Of a function that is the condition of a rule: with what the rule costs beside it. */
  withLoad(status: FoldStatus): FoldStatus {
    const held = this.#held.get(status.name);
    return held === undefined ? status : { ...statusOf(held), ...status };
  }

  /** With the function of a deployment, or a version of it that takes the place of another. */
  start(deployed: Deployed, states: ReadonlyMap<string, string>, now: number, output: StepOutput): void {
    const { bundle, name, hash, config } = deployed;
    const before = this.#held.get(name)?.rule;
    const of = bundle.kind === 'function' ? bundle.manifest.rule : undefined;
    if (of === undefined) {
      this.remove(name, output);
      return;
    }
    const rule = new RuleFold({
      device: this.#options.device,
      plan: rulePlan(of),
      version: bundleIdentity(bundle, hash).version,
      config,
      states: before?.states ?? statesOf(name, states),
      keptAs: `${name}${KEPT}`,
      now,
      isTakenOver: before !== undefined,
      onStep: this.#options.onStep,
    });
    rule.endUnwatched(output);
    this.#held.set(name, { deployed, rule, steps: 0, readings: 0, told: NO_USAGE });
  }

  /** Its open alerts end. */
  remove(name: string, output: StepOutput): void {
    const rule = this.#held.get(name)?.rule;
    if (rule === undefined) return;
    rule.endUnwatched(output, true);
    rule.takeChanges(output.states);
    this.#held.delete(name);
    output.states.push({ fold: `${name}${KEPT}`, json: null });
  }
}
