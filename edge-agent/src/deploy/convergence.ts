/** What follows from what is wanted, what runs and what is at hand. No io, no clock. */
import {
  BUNDLE_BYTES_MAX,
  byteLength,
  configDigest,
  type Json,
  type JsonObject,
  type RefusalCode,
  type ReportedDeployment,
  sameJson,
  type WantedDeployment,
  type WeirReported,
  wantedDeploymentSchema,
} from '@weir/protocols';
import { type FoldStatus, reportOf, takeOver, wantedAgain } from '@weir/runtime';
import type { CandidateStatus } from '../functions/candidates.ts';
import type { Kept } from '../functions/deployments.ts';
import type { KeptDeployment } from '../functions/kept-deployments.ts';
import { candidatesIn, reportCandidate } from './green.ts';

export type Wanted = ReadonlyMap<string, WantedDeployment>;

/** Why a wanted bundle is not at hand, by the name of the deployment. */
export interface Failure {
  hash: string;
  reason: string;
  /** Of what is not signed as it has to be. */
  code?: RefusalCode;
}

/** How far what is wanted has got, by the name of the deployment, while it is under way. */
export interface Stage {
  hash: string;
  state: 'staged' | 'starting';
}

export interface UnderWay {
  failures: ReadonlyMap<string, Failure>;
  stages: ReadonlyMap<string, Stage>;
  /** What runs beside what runs, and why what should is not at hand. */
  candidates: readonly CandidateStatus[];
  candidateFailures: ReadonlyMap<string, Failure>;
}

/** Tried in this order, until a report has room. */
const REASON_CHARS = [300, 100, 30];

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

function isRunning(kept: KeptDeployment | undefined, wanted: WantedDeployment): boolean {
  return isSetting(kept, wanted);
}

/** Whether it was tried and failed; another runs in its place, or nothing. */
function hasFailed(kept: KeptDeployment | undefined, wanted: WantedDeployment): boolean {
  return isSetting(kept?.failed, wanted);
}

function isSetting(setting: { hash: string; config: string } | undefined, wanted: WantedDeployment): boolean {
  return setting?.hash === wanted.hash && sameJson(JSON.parse(setting.config), wanted.config ?? {});
}

/**
 * The bundle that is missing for what is wanted; undefined: none.
 *
 * @param isDamaged what runs under its name does not, for its bundle cannot be read
 */
export function missingBundle(
  kept: KeptDeployment | undefined,
  wanted: WantedDeployment,
  isDamaged: boolean,
): WantedDeployment | undefined {
  if (hasFailed(kept, wanted)) return isDamaged ? { ...wanted, hash: kept!.hash, bytes: BUNDLE_BYTES_MAX } : undefined;
  return isRunning(kept, wanted) && !isDamaged ? undefined : wanted;
}

/**
 * What shall run: what is wanted where it has not failed and its bundle is at hand, else what runs under that name.
 * @param atHand hashes of bundles that are here and can be read
 * @param undecided names whose wish was not understood: they stay as they are
 */
export function targetOf(
  wanted: Wanted,
  kept: Kept,
  atHand: ReadonlySet<string>,
  undecided: ReadonlySet<string> = new Set(),
): KeptDeployment[] {
  const target: KeptDeployment[] = [];
  for (const [name, deployment] of wanted) {
    const before = kept.get(name);
    if (before !== undefined && hasFailed(before, deployment)) target.push(before);
    else if (before !== undefined && isRunning(before, deployment)) {
      target.push(before.failed === undefined ? before : wantedAgain(before, undefined));
    } else if (atHand.has(deployment.hash)) {
      const config = JSON.stringify(deployment.config ?? {});
      target.push(takeOver(before, { name, hash: deployment.hash, config }));
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
  const stopped = a.quarantined === b.quarantined;
  const failed = (a.failed === undefined) === (b.failed === undefined);
  return a.name === b.name && a.hash === b.hash && a.config === b.config && stopped && failed;
}

/** How each wanted deployment is doing. */
export function reportDeployments(
  wanted: Wanted,
  kept: Kept,
  { failures, stages, candidates, candidateFailures }: UnderWay,
  statuses: readonly FoldStatus[],
): Record<string, ReportedDeployment> {
  // A name comes from the hub: `__proto__` is one like any other.
  const report = Object.create(null) as Record<string, ReportedDeployment>;
  for (const [name, deployment] of wanted) {
    const runs = kept.get(name);
    const status = statuses.find((each) => each.name === name && each.hash === runs?.hash);
    const told = reportOne(deployment, runs, status, { failure: failures.get(name), stage: stages.get(name) });
    const config = configDigest(deployment.config);
    report[name] = config === undefined ? told : { ...told, config };
  }
  for (const [name, candidate] of candidatesIn(wanted)) {
    const status = candidates.find((each) => each.name === name);
    report[name]!.candidate = reportCandidate(candidate, status, candidateFailures.get(name));
  }
  return report;
}

function reportOne(
  wanted: WantedDeployment,
  runs: KeptDeployment | undefined,
  status: FoldStatus | undefined,
  { failure, stage }: { failure: Failure | undefined; stage: Stage | undefined },
): ReportedDeployment {
  if (hasFailed(runs, wanted)) return reportOf(wanted, status, runs!.failed);
  if (isRunning(runs, wanted) && status !== undefined) {
    const told = reportOf(wanted, status, undefined);
    return runs!.proven ? { ...told, proven: true } : told;
  }
  if (failure?.hash === wanted.hash) {
    const told = reportOf(wanted, status, { state: 'failed', reason: failure.reason });
    return failure.code === undefined ? told : { ...told, code: failure.code };
  }
  const told = reportOf(wanted, undefined, undefined);
  return stage?.hash === wanted.hash ? { ...told, state: stage.state } : told;
}

/**
 * Cuts reasons until all has room: a shadow that would grow over its limit is refused, and with it all that it tells.
 * What is left in the end is what nobody can do without: what is wanted, and its state.
 */
export function cutToFit(
  deployments: Record<string, ReportedDeployment>,
  bytesMax: number,
): Record<string, ReportedDeployment> {
  for (const chars of REASON_CHARS) {
    const cut = mapValues(deployments, ({ candidate, ...rest }) => ({
      ...cutTexts(rest, chars),
      ...(candidate !== undefined && { candidate: cutTexts(candidate, chars) }),
    }));
    if (byteLength(JSON.stringify(cut)) <= bytesMax) return cut;
  }
  return mapValues(deployments, ({ kind, version, hash, config, state }) => ({
    ...{ kind, version, hash, state },
    ...(config !== undefined && { config }),
  }));
}

function cutTexts<T extends { reason?: string | undefined; example?: string | undefined }>(told: T, chars: number): T {
  const { reason, example } = told;
  return {
    ...told,
    ...(reason !== undefined && { reason: reason.slice(0, chars) }),
    ...(example !== undefined && { example: example.slice(0, chars) }),
  };
}

function mapValues<T>(object: Record<string, T>, to: (value: T) => T): Record<string, T> {
  const mapped = Object.create(null) as Record<string, T>;
  for (const [key, value] of Object.entries(object)) mapped[key] = to(value);
  return mapped;
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

/** @returns undefined: it is none */
export function parseObject(payload: Uint8Array): JsonObject | undefined {
  try {
    const body = JSON.parse(Buffer.from(payload).toString('utf8')) as Json;
    return typeof body === 'object' && body !== null && !Array.isArray(body) ? body : undefined;
  } catch {
    return undefined;
  }
}
