/** Which alerts a channel gets at all. */
import type { Severity } from '@weir/protocols';
import type { Labels } from '../labels.ts';
import { matchesAny } from './inhibition.ts';
import type { Policy } from './policy.ts';
import { rankOf } from './severity.ts';
import type { PlanChannel } from './state.ts';

export type Routed = { told: true } | { told: false; why: 'route' | 'severity' | 'match'; detail: string };

/** Names of the channels that the routes say; undefined: all of them. */
export function channelsOf({ routes, default: others }: Policy, labels: Labels): ReadonlySet<string> | undefined {
  const found: string[] = [];
  let isRouted = false;
  for (const { match, channels, continue: goesOn } of routes) {
    if (!matchesAny(match, labels)) continue;
    isRouted = true;
    found.push(...channels);
    if (!goesOn) break;
  }
  if (isRouted) return new Set(found);
  // What nobody thought of must not be told to nobody.
  return others === undefined ? undefined : new Set(others);
}

/** @param names as `channelsOf` gives them */
export function routed(names: ReadonlySet<string> | undefined, { name, policy }: PlanChannel, labels: Labels): Routed {
  const { minSeverity, match } = policy;
  const severity = labels.severity as Severity;
  if (names !== undefined && !names.has(name)) {
    return { told: false, why: 'route', detail: 'the routes of the policy name other channels' };
  }
  if (minSeverity !== undefined && rankOf(severity) < rankOf(minSeverity)) {
    return { told: false, why: 'severity', detail: `the channel takes ${minSeverity} and above` };
  }
  if (!matchesAny(match, labels)) {
    return { told: false, why: 'match', detail: 'it is not what the channel takes' };
  }
  return { told: true };
}
