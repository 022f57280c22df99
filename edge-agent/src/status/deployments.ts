/** How far what is wanted has got, for a person: what is under way, on trial, or runs beside. */
import type { ReportedCandidate, ReportedDeployment } from '@weir/protocols';
import type { Trial } from '../functions/trial-table.ts';
import { age } from './format.ts';

export interface DeploymentsStatus {
  /** By name, as the hub is told. */
  deployments: Readonly<Record<string, ReportedDeployment>>;
  /** Versions on trial, and the ends of the agent since: two for each of the process, one for each of the machine. */
  trials: readonly Trial[];
}

/** Nothing where all that is wanted runs and has proven itself. */
export function deploymentLines({ deployments, trials }: DeploymentsStatus, now: number): string[] {
  const lines = Object.entries(deployments).flatMap(([name, told]) => [
    ...wantedLines(name, told, trials),
    ...(told.candidate === undefined ? [] : candidateLines(name, told.candidate, now)),
  ]);
  return lines.length === 0 ? [] : ['', 'deployments', ...lines];
}

function wantedLines(
  name: string,
  { version, hash, state, reason, proven, running }: ReportedDeployment,
  trials: readonly Trial[],
): string[] {
  const trial = trials.find((each) => each.name === name && each.hash === hash);
  if (state === 'running' && (proven === true || trial === undefined)) return [];
  if (state !== 'running') {
    const instead = running === undefined ? '' : `, ${running.version} runs in its place`;
    return [`  ${name}@${version} is ${state}${instead}${reason === undefined ? '' : `: ${reason}`}`];
  }
  const { halves } = trial!;
  const ends = halves === 0 ? '' : `; the agent ended ${halves / 2} times since, without having been told to`;
  return [`  ${name}@${version} is on trial${ends}`];
}

function candidateLines(name: string, candidate: ReportedCandidate, now: number): string[] {
  const { version, state, reason, since, steps, differ, example, errors, outputs, cpuMs } = candidate;
  const span = since === undefined ? '' : ` for ${age(now - since)}`;
  const both = (of: { blue: number; green: number }) => `${of.blue}/${of.green}`;
  return [
    `  ${name}@${version}, its candidate, is ${state}${span}${reason === undefined ? '' : `: ${reason}`}`,
    `    of ${steps} inputs ${differ} were answered differently; what runs/candidate: outputs ${both(outputs)}, ` +
      `failed steps ${both(errors)}, ${both(cpuMs)} ms on a processor`,
    ...(example === undefined ? [] : [`    the first difference: ${example}`]),
  ];
}
