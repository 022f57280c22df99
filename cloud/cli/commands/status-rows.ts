import type { ReportedCandidate } from '@weir/protocols';
import type { DeploymentStatus } from '../answers.ts';

/** Name, where, version, state and detail of a deployment on a device. */
export function stateCells(status: DeploymentStatus): string[] {
  const version = status.wanted?.version ?? status.reported?.version ?? '-';
  return [status.name, status.where, version, status.state, detailOf(status)];
}

/** Why it is as it is, in a few words. */
export function detailOf({ state, connected, where, wanted, reported, overridden, problem }: DeploymentStatus): string {
  const parts: string[] = [];
  if (problem !== undefined) parts.push(problem);
  // Before the reason, which may be long and is cut at the edge of the screen.
  if (reported?.running !== undefined) parts.push(`${reported.running.version} runs in its place`);
  if (reported?.reason !== undefined) parts.push(reported.reason);
  if (state === 'pending' && where === 'edge' && !connected) parts.push('offline; it gets it when it connects');
  if (state === 'pending' && where === 'cloud') parts.push('starts with the next readings');
  if (wanted !== undefined && reported !== undefined && reported.hash !== wanted.hash) {
    parts.push(`${reported.version} is ${reported.state}`);
  }
  const forwarding = reported?.forwarding;
  if (forwarding !== undefined) parts.push(`${forwarding.taken} readings taken, ${forwarding.sent} sent`);
  if (reported?.candidate !== undefined) parts.push(candidateText(reported.candidate));
  if (reported?.errors) parts.push(`${reported.errors} failed steps`);
  if (wanted !== undefined && overridden.length > 0)
    parts.push(`of group ${wanted.group}, over ${overridden.join(', ')}`);
  return parts.join('; ');
}

function candidateText({ version, state, reason, steps, differ, errors }: ReportedCandidate): string {
  const failed = errors.green === 0 ? '' : `, ${errors.green} of its steps failed`;
  const why = reason === undefined ? '' : ` (${reason})`;
  return `candidate ${version} is ${state}: ${differ} of ${steps} inputs answered differently${failed}${why}`;
}

/** A line for each thing that runs, and for each that lost to it: which group wants it, and why it is so. */
export function whyLines(statuses: readonly DeploymentStatus[]): string[] {
  return statuses.flatMap(({ name, wanted, why, lost = [] }) => {
    if (wanted === undefined || why === undefined) return [];
    return [
      `${name}@${wanted.version} is what group ${wanted.group} wants: ${why}`,
      ...lost.map((each) => `${name}@${each.version} of group ${each.group} does not run: ${each.why}`),
    ];
  });
}
