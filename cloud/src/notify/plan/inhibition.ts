/** Which alert keeps which others quiet, found by the labels that both must have alike. */
import type { Labels } from '../labels.ts';
import { type Matcher, matches, parseMatchers } from './matchers.ts';
import type { Inhibition } from './policy.ts';

/** A more severe alert of the same rule and subject says all that a less severe one does. */
export const MORE_SEVERE: readonly Inhibition[] = [
  moreSevere('severity=critical', 'severity!=critical'),
  moreSevere('severity=warning', 'severity=info'),
];

function moreSevere(source: string, target: string): Inhibition {
  const equal = ['alertname', 'device', 'sensor', 'metric'];
  return { name: 'more-severe', source: [parseMatchers(source)], target: [parseMatchers(target)], equal };
}

export function matchesAny(any: readonly (readonly Matcher[])[] | undefined, labels: Labels): boolean {
  return any === undefined || any.some((matchers) => matches(matchers, labels));
}

interface Indexed {
  rule: Inhibition;
  /** Episodes by the values of the equal labels; true: it matches the other side, too. */
  sources: Map<string, Map<string, boolean>>;
  targets: Map<string, Set<string>>;
}

/** Alerts that fire, by what they inhibit, or are inhibited by. */
export class InhibitionIndex {
  readonly #rules: Indexed[];

  constructor(rules: readonly Inhibition[]) {
    this.#rules = rules.map((rule) => ({ rule, sources: new Map(), targets: new Map() }));
  }

  add(episode: string, labels: Labels): void {
    for (const { rule, sources, targets } of this.#rules) {
      const key = keyOf(rule, labels);
      const isTarget = matchesAny(rule.target, labels);
      if (isTarget) targets.set(key, (targets.get(key) ?? new Set()).add(episode));
      if (matchesAny(rule.source, labels)) sources.set(key, (sources.get(key) ?? new Map()).set(episode, isTarget));
    }
  }

  remove(episode: string, labels: Labels): void {
    for (const { rule, sources, targets } of this.#rules) {
      const key = keyOf(rule, labels);
      for (const side of [sources, targets]) {
        side.get(key)?.delete(episode);
        if (side.get(key)?.size === 0) side.delete(key);
      }
    }
  }

  /** Of two that are on both sides of a rule neither inhibits the other. */
  inhibitorOf(episode: string, labels: Labels): { rule: string; by: string } | undefined {
    for (const { rule, sources, targets } of this.#rules) {
      const key = keyOf(rule, labels);
      const found = sources.get(key);
      if (found === undefined || !(targets.get(key)?.has(episode) ?? matchesAny(rule.target, labels))) continue;
      const isSource = found.has(episode) || matchesAny(rule.source, labels);
      for (const [by, isTarget] of found) {
        if (by !== episode && !(isSource && isTarget)) return { rule: rule.name, by };
      }
    }
    return undefined;
  }

  /** Those that such an alert may inhibit. */
  targetsOf(labels: Labels): Set<string> {
    const found = new Set<string>();
    for (const { rule, targets } of this.#rules) {
      if (!matchesAny(rule.source, labels)) continue;
      for (const episode of targets.get(keyOf(rule, labels)) ?? []) found.add(episode);
    }
    return found;
  }
}

function keyOf({ equal }: Inhibition, labels: Labels): string {
  return equal.map((name) => labels[name] ?? '').join('\n');
}
