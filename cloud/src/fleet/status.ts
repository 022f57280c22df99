import type { ReportedDeployment } from '@weir/protocols';
import type { DeploymentStatus, Where } from './fleet.ts';
import type { Winner } from './winners.ts';

export interface StatusInput {
  device: string;
  connected: boolean;
  wanted: ReadonlyMap<string, Winner>;
  /** Why the shadow could not be made to follow, if that failed last time. */
  reconcileError: string | undefined;
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

function wantedRow(input: StatusInput, { deployment, overridden }: Winner): DeploymentStatus {
  const { group, kind, version, hash, name, where } = deployment;
  const row: DeploymentStatus = {
    device: input.device,
    connected: input.connected,
    name,
    where,
    wanted: { group, kind, version, hash },
    overridden,
    state: 'pending',
  };
  const reported = input.reported[where].get(name);
  if (reported !== undefined) {
    row.reported = plain(reported);
    if (reported.hash === hash) row.state = reported.state;
  }
  if (where === 'edge' && row.state === 'pending' && input.reconcileError !== undefined) {
    row.problem = `the hub cannot write the device's shadow: ${input.reconcileError}`;
  }
  return row;
}

function plain({
  version,
  hash,
  state,
  reason,
  errors,
  forwarding,
  running,
}: ReportedDeployment): NonNullable<DeploymentStatus['reported']> {
  const found: NonNullable<DeploymentStatus['reported']> = { version, hash, state };
  if (reason !== undefined) found.reason = reason;
  if (errors !== undefined) found.errors = errors;
  if (forwarding !== undefined) found.forwarding = forwarding;
  if (running !== undefined) found.running = running;
  return found;
}
