import { configDigest, type ReportedDeployment } from '@weir/protocols';
import type { Refusal } from '@weir/runtime';
import type { DeploymentRecord, DeploymentStatus, Where } from './fleet.ts';
import type { Winner } from './winners.ts';

export interface StatusInput {
  device: string;
  connected: boolean;
  wanted: ReadonlyMap<string, Winner>;
  /** Why the shadow could not be made to follow, if that failed last time. */
  reconcileError: string | undefined;
  /** Why a bundle does not run in the cloud, by its hash. */
  refusalOf: (hash: string) => Refusal | undefined;
  /** By name: what the agent, and the cloud workers, say they run. */
  reported: Record<Where, ReadonlyMap<string, ReportedDeployment>>;
}

/** Sets what is wanted on one device beside what is reported of it; in order of name. */
export function deploymentStatus(input: StatusInput): DeploymentStatus[] {
  const rows = [...input.wanted.values()].map((winner) => wantedRow(input, winner));
  for (const where of ['edge', 'cloud'] as const) {
    for (const [name, reported] of input.reported[where]) {
      if (input.wanted.get(name)?.deployment.where === where) continue;
      rows.push({
        device: input.device,
        connected: input.connected,
        name,
        where,
        overridden: [],
        reported: plain(reported),
        state: 'removing',
      });
    }
  }
  return rows.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function wantedRow(input: StatusInput, { deployment, overridden, why, lost }: Winner): DeploymentStatus {
  const { group, kind, version, hash, name, where } = deployment;
  const row: DeploymentStatus = {
    device: input.device,
    connected: input.connected,
    name,
    where,
    wanted: { group, kind, version, hash },
    overridden,
    why,
    ...(lost.length > 0 && { lost }),
    state: 'pending',
  };
  const reported = input.reported[where].get(name);
  if (reported !== undefined) {
    row.reported = plain(reported);
    if (isOf(reported, deployment)) row.state = reported.state;
  }
  if (where === 'edge' && row.state === 'pending' && input.reconcileError !== undefined) {
    row.problem = `the hub cannot write the device's shadow: ${input.reconcileError}`;
  }
  const refusal = where === 'cloud' ? input.refusalOf(hash) : undefined;
  if (refusal !== undefined) row.problem = `the hub does not run it: ${refusal.code}: ${refusal.reason}`;
  return row;
}

/** Whether it tells of this very setting: a device may not have heard yet that the same bundle has another configuration. */
function isOf(reported: ReportedDeployment, { hash, config, where }: DeploymentRecord): boolean {
  // The hub's own folds are told of as they are, with what they were set to last.
  return reported.hash === hash && (where === 'cloud' || reported.config === configDigest(config));
}

function plain({ kind: _, ...reported }: ReportedDeployment): NonNullable<DeploymentStatus['reported']> {
  return reported;
}
