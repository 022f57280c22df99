/** What rules that run in the hub cost since it began, by rule, over all devices and groups. */
import type { FoldHost, RuleLoad } from '@weir/runtime';
import { OTHERS } from '../usage/ledger.ts';

/** Each costs Prometheus five series for ever; what is over it is counted together. */
export const RULES_MAX = 200;

/** Of one device's rule, what has been added to the sums of its name. */
interface Told {
  hash: string;
  load: RuleLoad;
}

export class RuleCosts {
  readonly #sums = new Map<string, RuleLoad>();
  readonly #hosts = new Map<FoldHost, Map<string, Told>>();
  #all: ReadonlyMap<string, RuleLoad> | undefined;

  /** @returns the same host; what its rules cost is counted until it is disposed of */
  watch(host: FoldHost): FoldHost {
    this.#hosts.set(host, new Map());
    return {
      deploy: async (...wanted) => {
        // A rule that is replaced counts from nothing again.
        this.#take(host);
        return host.deploy(...wanted).finally(() => this.#take(host));
      },
      step: (input) => host.step(input),
      tick: (...at) => host.tick(...at),
      moveTime: (move) => host.moveTime(move),
      event: (...event) => host.event(...event),
      status: () => host.status(),
      dispose: () => {
        this.#take(host);
        this.#hosts.delete(host);
        host.dispose();
      },
    };
  }

  /** By rule. Who asks again in the same turn, as for each metric of a scrape, gets the same: there are thousands of hosts. */
  all(): ReadonlyMap<string, RuleLoad> {
    if (this.#all === undefined) {
      this.#all = this.#collect();
      queueMicrotask(() => {
        this.#all = undefined;
      });
    }
    return this.#all;
  }

  #collect(): ReadonlyMap<string, RuleLoad> {
    for (const sum of this.#sums.values()) Object.assign(sum, { subjects: 0, active: 0, stateBytes: 0 });
    for (const host of this.#hosts.keys()) {
      for (const [name, { load }] of this.#take(host)) {
        const sum = this.#sumOf(name);
        sum.subjects += load.subjects;
        sum.active += load.active;
        sum.stateBytes += load.stateBytes;
      }
    }
    return this.#sums;
  }

  #take(host: FoldHost): Map<string, Told> {
    const now = new Map<string, Told>();
    const before = this.#hosts.get(host);
    if (before === undefined) return now;
    for (const { name, hash, rule } of host.status()) {
      if (rule === undefined) continue;
      const last = before.get(name);
      const isSame = last?.hash === hash && last.load.evaluations <= rule.evaluations;
      const sum = this.#sumOf(name);
      sum.evaluations += rule.evaluations - (isSame ? last.load.evaluations : 0);
      sum.spentMs += Math.max(0, rule.spentMs - (isSame ? last.load.spentMs : 0));
      now.set(name, { hash, load: rule });
    }
    this.#hosts.set(host, now);
    return now;
  }

  #sumOf(rule: string): RuleLoad {
    const name = this.#sums.has(rule) || this.#sums.size < RULES_MAX ? rule : OTHERS;
    let sum = this.#sums.get(name);
    if (sum === undefined) {
      sum = { spentMs: 0, evaluations: 0, subjects: 0, active: 0, stateBytes: 0 };
      this.#sums.set(name, sum);
    }
    return sum;
  }
}
