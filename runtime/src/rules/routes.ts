import type { RulePlan } from '@weir/protocols';
import { globMatches, type Selector } from '../fold/select.ts';
import type { Sample } from './conditions/condition.ts';
import type { Subject } from './conditions/signals.ts';
import { isOfKind } from './episode/kept.ts';

export type SeriesName = Pick<Sample, 'device' | 'sensor' | 'metric'>;

/** What becomes of the readings of a series: one subject's own, the same for all subjects, or both. */
export interface Route {
  isOwn: boolean;
  isShared: boolean;
}

/**
 * Of a series or a sensor each signal that takes its sensor as the rule watches it is its own. A signal of another sensor is
 * for all; also of one that has episodes itself, which is then a level of others.
 */
export class Routes {
  readonly #plan: RulePlan;
  readonly #signals: readonly Selector[];

  constructor(plan: RulePlan, signals: readonly Selector[]) {
    this.#plan = plan;
    this.#signals = signals;
  }

  /** Whether it has episodes by this rule. */
  watches(of: Subject): boolean {
    const { by, watches } = this.#plan;
    const { sensor, metric } = of;
    if (!isOfKind(by, of)) return false;
    if (sensor === undefined) return true;
    if (metric === undefined) return globMatches(watches.sensor, sensor);
    return this.of({ device: of.device!, sensor, metric }).isOwn;
  }

  of({ sensor, metric }: SeriesName): Route {
    const { by, watches } = this.#plan;
    const signals = this.#signals.filter(
      (each) => globMatches(each.sensor, sensor) && globMatches(each.metric, metric),
    );
    if (signals.length === 0) return { isOwn: false, isShared: false };
    if (by === 'group' || by === 'device') return { isOwn: true, isShared: false };
    const isMetric = by === 'sensor' || globMatches(watches.metric, metric);
    const isOwn = globMatches(watches.sensor, sensor) && isMetric;
    return { isOwn, isShared: !isOwn || signals.some((each) => each.sensor !== watches.sensor) };
  }
}
