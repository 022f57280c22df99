import {
  type Json,
  parseShadowTopic,
  type ReportedDeployment,
  reportedDeploymentSchema,
  WEIR_SHADOW,
} from '@weir/protocols';
import type { HubEvent } from '../api/events.ts';

/**
 * What a device says anew about what it runs, read off what the shadow `weir` tells everybody on `update/documents`.
 *
 * @param at ms since epoch
 * @returns undefined for any other topic
 */
export function reportsIn(
  topic: string,
  payload: string,
  at: number,
): { device: string; events: HubEvent[] } | undefined {
  const { device, name, suffix } = parseShadowTopic(topic) ?? {};
  if (device === undefined || name !== WEIR_SHADOW || suffix !== 'update/documents') return undefined;
  const { previous, current } = JSON.parse(payload) as { previous: Document | null; current: Document };
  const before = reportedIn(previous);
  const after = reportedIn(current);
  const events: HubEvent[] = [];
  for (const [deployment, { version, hash, state, reason, running }] of after) {
    const known = before.get(deployment);
    const same = known?.hash === hash && known.state === state && known.reason === reason;
    if (same && known.running?.hash === running?.hash) continue;
    const event: HubEvent = { type: 'deployment', at, device, name: deployment, state, version };
    events.push(reason === undefined ? event : { ...event, reason });
  }
  for (const deployment of before.keys()) {
    if (!after.has(deployment)) events.push({ type: 'deployment', at, device, name: deployment, state: 'removed' });
  }
  return { device, events };
}

/** @param patch what a device should run changes by: null is taken off */
export function wantedEvents(device: string, patch: Record<string, Json>, at: number): HubEvent[] {
  return Object.entries(patch).map(([name, wanted]) => {
    const state = wanted === null ? 'removed' : 'wanted';
    return { type: 'deployment', at, device, name, state };
  });
}

interface Document {
  state?: { reported?: { deployments?: unknown } };
}

/** What a device wrote is read with care: entries that are none are left out. */
export function reportedIn(document: Document | null | undefined): Map<string, ReportedDeployment> {
  const found = new Map<string, ReportedDeployment>();
  for (const [name, entry] of Object.entries(document?.state?.reported?.deployments ?? {})) {
    const { success, data } = reportedDeploymentSchema.safeParse(entry);
    if (success) found.set(name, data);
  }
  return found;
}
