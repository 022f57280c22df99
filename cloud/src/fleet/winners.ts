import type { DeploymentRecord } from './fleet.ts';

/** A wish for a name that another group's goes before. */
export interface Loser {
  group: string;
  version: string;
  /** One sentence: why not this one. */
  why: string;
}

/** What a device should run under one name, and the groups that lost the name to it. */
export interface Winner {
  deployment: DeploymentRecord;
  overridden: string[];
  /** One sentence: why this one. */
  why: string;
  lost: Loser[];
}

/** Of groups that want the same name the one of the highest priority wins, and of those the one that was set last. */
export function winners(deployments: readonly DeploymentRecord[]): Map<string, Winner> {
  const byName = Map.groupBy([...deployments].sort(byPrecedence), ({ name }) => name);
  return new Map([...byName].map(([name, [first, ...others]]) => [name, winnerOf(first!, others)]));
}

/** Where nobody else can want the name. */
export function winnerAlone(deployment: DeploymentRecord): Winner {
  return winnerOf(deployment, []);
}

function byPrecedence(a: DeploymentRecord, b: DeploymentRecord): number {
  return priorityOf(b) - priorityOf(a) || b.order - a.order;
}

const priorityOf = ({ priority = 0 }: DeploymentRecord) => priority;

function winnerOf(deployment: DeploymentRecord, others: readonly DeploymentRecord[]): Winner {
  const { group } = deployment;
  const [next] = others;
  const lost = others.map((other) => ({
    group: other.group,
    version: other.version,
    why: goesBefore(deployment, other),
  }));
  const why = next === undefined ? `only group ${group} wants it` : goesBefore(deployment, next);
  return { deployment, overridden: others.map((other) => other.group), why, lost };
}

function goesBefore(winner: DeploymentRecord, loser: DeploymentRecord): string {
  const [high, low] = [priorityOf(winner), priorityOf(loser)];
  if (high !== low) return `priority ${high} of group ${winner.group} goes before ${low} of ${loser.group}`;
  const both = high === 0 ? '' : `, both of priority ${high}`;
  return `group ${winner.group} was set after ${loser.group}${both}`;
}
