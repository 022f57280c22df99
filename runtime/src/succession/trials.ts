import type { FoldStatus } from '../fold/fold.ts';
import { isProven, type Succession } from './succession.ts';

/** How long each version has been running on this host, until it is proven. A restart begins anew. */
export class Trials {
  #began = new Map<string, { setting: string; at: number }>();

  /**
   * To be called now and then, from the start on.
   *
   * @returns `kept` with those marked that have proven themselves; `kept` itself when there is none
   */
  prove<C>(kept: readonly Succession<C>[], statuses: readonly FoldStatus[], now: number): readonly Succession<C>[] {
    if (kept.every(({ proven }) => proven)) return kept;
    let any = false;
    const next = kept.map((each) => {
      const status = statuses.find(({ name, hash }) => name === each.name && hash === each.hash);
      if (each.proven || status === undefined || !isProven(status, now - this.#beganAt(each, now))) return each;
      any = true;
      this.#began.delete(each.name);
      return { ...each, proven: true };
    });
    return any ? next : kept;
  }

  #beganAt<C>({ name, hash, config }: Succession<C>, now: number): number {
    const setting = `${hash}:${JSON.stringify(config)}`;
    const known = this.#began.get(name);
    if (known?.setting === setting) return known.at;
    this.#began.set(name, { setting, at: now });
    return now;
  }
}
