import type { DeploymentRecord } from './fleet.ts';

/** What a device should run under one name, and the groups that lost the name to it. */
export interface Winner {
  deployment: DeploymentRecord;
  overridden: string[];
}

/** Of groups that want the same name, the one that was set last wins. */
export function winners(deployments: readonly DeploymentRecord[]): Map<string, Winner> {
  const found = new Map<string, Winner>();
  for (const deployment of [...deployments].sort((a, b) => b.order - a.order)) {
    const winner = found.get(deployment.name);
    if (winner === undefined) found.set(deployment.name, { deployment, overridden: [] });
    else winner.overridden.push(deployment.group);
  }
  return found;
}
