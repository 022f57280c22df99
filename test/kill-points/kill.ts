/** Brings an agent to a point of its run and kills it there. */
import { readdirSync, readFileSync } from 'node:fs';
import type { AgentProcess } from './agent-process.ts';
import type { KillPoint } from './plan.ts';
import type { Progress } from './progress.ts';
import { type CommitHit, commitHit } from './write-ahead-log.ts';

/** Where a kill really hit. */
export interface Hit {
  point: KillPoint;
  /** Groups waited for the functions. */
  working: boolean;
  /** A function was at work in the sandbox. */
  computing: boolean;
  /** A transaction was being written, or its end was not told yet. */
  commit: CommitHit | undefined;
}

const POLL_MS = 1;
const POINT_MS = 60_000;
/** A write that does not come by then: the agent is idle. */
const WRITE_MS = 500;
/** A sandbox is up long before the agent is. */
const SANDBOX_START_US_MAX = 150_000;

/**
 * @param progress undefined: while the agent comes up
 * @returns undefined when the run was over before
 */
export async function killAt(
  point: KillPoint,
  agent: AgentProcess,
  progress: Progress | undefined,
  lastStep: number,
): Promise<Hit | undefined> {
  if (progress === undefined) await comingUp(point, agent);
  else if (!(await reached(point, agent, progress, lastStep))) return undefined;
  const sandboxes = agent.sandboxes();
  if (point.moment === 'write') progress?.nextWrite(WRITE_MS);
  if (progress !== undefined) spin(point.delayUs);
  // First the kill: to look around takes longer than a transaction.
  if (point.target === 'agent') kill(agent.pid);
  const computing = sandboxes.some(isRunning);
  if (point.target !== 'agent') for (const pid of sandboxes) kill(pid);
  const working = progress !== undefined && progress.lag > 0;
  if (point.target === 'sandbox') return { point, working, computing, commit: undefined };
  await agent.end('SIGKILL');
  return { point, working, computing, commit: commitHit(agent.data, point.tearAt) };
}

async function comingUp({ target, delayUs }: KillPoint, agent: AgentProcess): Promise<void> {
  if (target === 'agent') return sleep(delayUs / 1_000);
  while (agent.sandboxes().length === 0 && !agent.hasEnded) await sleep(POLL_MS);
  await sleep((delayUs % SANDBOX_START_US_MAX) / 1_000);
}

/** @returns whether there is still something to kill */
async function reached(
  { step }: KillPoint,
  agent: AgentProcess,
  progress: Progress,
  lastStep: number,
): Promise<boolean> {
  const deadline = performance.now() + POINT_MS;
  while (progress.step < step) {
    if (agent.hasEnded) throw new Error(`the agent ended by itself:\n${agent.words}`);
    if (progress.step >= lastStep) return false;
    if (performance.now() > deadline) {
      throw new Error(`step ${step} was not reached in time, only ${progress.step}:\n${agent.words}`);
    }
    await sleep(POLL_MS);
  }
  return true;
}

function spin(us: number): void {
  const until = performance.now() + us / 1_000;
  while (performance.now() < until);
}

/** @see proc_pid_stat(5): the state comes behind the name in brackets */
function isRunning(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).some((thread) =>
      /\) R /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')),
    );
  } catch {
    return false;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
