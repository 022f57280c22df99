/** What follows from what is wanted, what runs and what is at hand. No io, no clock. */
import {
  type Json,
  type JsonObject,
  type ReportedDeployment,
  sameJson,
  type WantedDeployment,
  type WeirReported,
  wantedDeploymentSchema,
} from '@weir/protocols';
import type { FoldStatus } from '@weir/runtime';
import type { KeptDeployment } from '../functions/step-commit.ts';

export type Wanted = ReadonlyMap<string, WantedDeployment>;

/** Why a wanted bundle is not at hand, by the name of the deployment. */
export interface Failure {
  hash: string;
  reason: string;
}

const REASON_MAX = 300;

/** The deployments in the `desired` section; those that are not understood are named, and do not stop the others. */
export function parseDesired(desired: Json | undefined): { wanted: Map<string, WantedDeployment>; faults: string[] } {
  const wanted = new Map<string, WantedDeployment>();
  const faults: string[] = [];
  for (const [name, entry] of Object.entries(objectAt(desired, 'deployments'))) {
    const parsed = wantedDeploymentSchema.safeParse(entry);
    if (parsed.success) wanted.set(name, parsed.data);
    else {
      const issue = parsed.error.issues[0]!;
      faults.push(`${name}: ${issue.path.join('.')}: ${issue.message}`);
    }
  }
  return { wanted, faults };
}

export function isRunning(kept: KeptDeployment | undefined, wanted: WantedDeployment): boolean {
  return kept !== undefined && kept.hash === wanted.hash && sameJson(JSON.parse(kept.config), wanted.config ?? {});
}

/**
 * What shall run: what is wanted where its bundle is at hand, else the last good of that name.
 * @param atHand hashes of bundles that are here and can be read
 * @param undecided names whose wish was not understood: they stay as they are
 */
export function targetOf(
  wanted: Wanted,
  kept: ReadonlyMap<string, KeptDeployment>,
  atHand: ReadonlySet<string>,
  undecided: ReadonlySet<string> = new Set(),
): KeptDeployment[] {
  const target: KeptDeployment[] = [];
  for (const [name, deployment] of wanted) {
    const before = kept.get(name);
    if (isRunning(before, deployment)) target.push(before!);
    else if (atHand.has(deployment.hash)) {
      target.push({ name, hash: deployment.hash, config: JSON.stringify(deployment.config ?? {}), quarantined: null });
    } else if (before !== undefined) target.push(before);
  }
  for (const name of undecided) {
    const before = kept.get(name);
    if (before !== undefined && !wanted.has(name)) target.push(before);
  }
  return target.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function sameTarget(a: readonly KeptDeployment[], b: readonly KeptDeployment[]): boolean {
  return a.length === b.length && a.every((each, at) => each === b[at] || sameDeployment(each, b[at]!));
}

function sameDeployment(a: KeptDeployment, b: KeptDeployment): boolean {
  return a.name === b.name && a.hash === b.hash && a.config === b.config && a.quarantined === b.quarantined;
}

/** How each wanted deployment is doing. */
export function reportDeployments(
  wanted: Wanted,
  kept: ReadonlyMap<string, KeptDeployment>,
  failures: ReadonlyMap<string, Failure>,
  statuses: readonly FoldStatus[],
): Record<string, ReportedDeployment> {
  // A name comes from the hub: `__proto__` is one like any other.
  const report = Object.create(null) as Record<string, ReportedDeployment>;
  for (const [name, { kind, version, hash }] of wanted) {
    const status = statuses.find((each) => each.name === name);
    const failure = failures.get(name);
    if (isRunning(kept.get(name), wanted.get(name)!) && status?.hash === hash) {
      const { state, reason, errors } = status;
      report[name] = { kind, version, hash, state, errors };
      if (reason !== undefined) report[name].reason = reason.slice(0, REASON_MAX);
    } else if (failure?.hash === hash) {
      report[name] = { kind, version, hash, state: 'failed', reason: failure.reason.slice(0, REASON_MAX) };
    } else report[name] = { kind, version, hash, state: 'fetching' };
  }
  return report;
}

/** What turns one reported section into another: changed fields, null for what is gone; undefined when nothing is. */
export function patchOf(known: JsonObject, actual: WeirReported | JsonObject): JsonObject | undefined {
  const patch = Object.create(null) as JsonObject;
  const next = actual as JsonObject;
  for (const key of Object.keys(known)) if (own(next, key) === undefined && known[key] !== null) patch[key] = null;
  for (const [key, value] of Object.entries(next)) {
    const before = own(known, key);
    if (value === undefined || sameJson(before, value)) continue;
    const below = isObject(before) && isObject(value) ? patchOf(before, value) : value;
    if (below !== undefined) patch[key] = below;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function own(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

export function objectAt(parent: Json | undefined, key: string): JsonObject {
  const child = isObject(parent) ? own(parent, key) : undefined;
  return isObject(child) ? child : {};
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
