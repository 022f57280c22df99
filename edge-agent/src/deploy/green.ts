/** What is wanted beside what runs, and how it is doing there. */
import { configDigest, type ReportedCandidate, sameJson, type WantedDeployment } from '@weir/protocols';
import type { CandidateStatus } from '../functions/candidates.ts';
import type { TrialKey } from '../functions/trial-table.ts';
import type { Failure, Wanted } from './convergence.ts';

/** As deployments of their own, by the name of the one beside which they shall run. One that is wanted anyway is none. */
export function candidatesIn(wanted: Wanted): Map<string, WantedDeployment> {
  const found = new Map<string, WantedDeployment>();
  for (const [name, { kind, hash, config = {}, candidate }] of wanted) {
    const isOther = candidate !== undefined && (candidate.hash !== hash || !sameJson(candidate.config ?? {}, config));
    if (isOther) found.set(name, { kind, ...candidate });
  }
  return found;
}

export function isCandidate(key: TrialKey, wanted: WantedDeployment | undefined): boolean {
  return wanted?.hash === key.hash && sameJson(JSON.parse(key.config), wanted.config ?? {});
}

/** With the configuration as it is kept, should it be kept already. */
export function keyOfCandidate(name: string, wanted: WantedDeployment, known: readonly TrialKey[]): TrialKey {
  const same = known.find((each) => each.name === name && isCandidate(each, wanted));
  return same ?? { name, hash: wanted.hash, config: JSON.stringify(wanted.config ?? {}) };
}

export function sameKeys(a: readonly TrialKey[], b: readonly TrialKey[]): boolean {
  const isAmong = (key: TrialKey) =>
    b.some(({ name, hash, config }) => key.name === name && key.hash === hash && key.config === config);
  return a.length === b.length && a.every(isAmong);
}

/** @param failure why its bundle is not at hand */
export function reportCandidate(
  wanted: WantedDeployment,
  status: CandidateStatus | undefined,
  failure: Failure | undefined,
): ReportedCandidate {
  const { version, hash } = wanted;
  const config = configDigest(wanted.config);
  const identity = { version, hash, ...(config !== undefined && { config }) };
  if (status === undefined || !isCandidate(status, wanted)) {
    const failed =
      failure?.hash === hash ? { state: 'failed' as const, reason: failure.reason.slice(0, 300) } : undefined;
    const none = () => ({ blue: 0, green: 0 });
    const nothing = { steps: 0, differ: 0, errors: none(), outputs: none(), cpuMs: none() };
    return { ...identity, ...(failed ?? { state: 'fetching' as const }), ...nothing };
  }
  const { state, reason, since, comparison } = status;
  const { cpuMs, ...counts } = comparison;
  const rounded = { blue: Math.round(cpuMs.blue), green: Math.round(cpuMs.green) };
  const why = reason === undefined ? {} : { reason: reason.slice(0, 300) };
  return { ...identity, state, ...why, since, ...counts, cpuMs: rounded };
}
