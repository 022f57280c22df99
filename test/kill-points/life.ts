/** One agent after another on the same data, each killed at a point. */
import type { AgentProcess } from './agent-process.ts';
import { type Hit, killAt, sleep } from './kill.ts';
import type { KillPoint } from './plan.ts';
import { Progress } from './progress.ts';

export interface LifePorts {
  start: () => AgentProcess;
  onStart: (agent: AgentProcess) => void;
  /** Between two agents. */
  onDeath?: () => void;
}

/** How a life ended. */
export interface Ended {
  /** Commits. */
  steps: number;
  sinceRow: string;
}

const IDLE_MS = 120_000;
/** Longer than from one tick to the next, also where others take the processor: what would still come has come. */
const QUIET_MS = 5_000;
/** The same where it is known what is to come: until that is there it is waited for anyway. */
const QUIET_AFTER_MS = 1_500;
const POLL_MS = 20;
/** A step whose process is killed is run again once: of a second kill from outside its function would be accused. */
const STEPS_BETWEEN_SANDBOX_KILLS = 2;

export class Life {
  readonly hits: Hit[] = [];
  #ports: LifePorts;
  #agent: AgentProcess;
  #progress: Progress | undefined;
  #isSandboxNew = false;

  constructor(ports: LifePorts) {
    this.#ports = ports;
    this.#agent = this.#begin();
  }

  get agent(): AgentProcess {
    return this.#agent;
  }

  /** @param lastStep commits after which there is nothing left to kill */
  async kill(point: KillPoint, lastStep: number): Promise<void> {
    const progress = point.moment === 'start' ? undefined : await this.#watch();
    const isSoon = this.#isSandboxNew && point.target !== 'agent' && progress !== undefined;
    const step = isSoon ? Math.max(point.step, progress.step + STEPS_BETWEEN_SANDBOX_KILLS) : point.step;
    const hit = await killAt({ ...point, step }, this.#agent, progress, lastStep);
    if (hit === undefined) return;
    this.hits.push(hit);
    this.#isSandboxNew = point.target !== 'agent';
    if (!this.#agent.hasEnded) return;
    this.#unwatch();
    this.#ports.onDeath?.();
    this.#agent = this.#begin();
  }

  /**
   * Lets the last agent come to its end: until it has nothing left to do, and does nothing more.
   * @param sinceRow what else is to have come; undefined: nobody knows
   */
  async end(sinceRow?: string): Promise<Ended> {
    const progress = await this.#watch();
    const ended = await idle(this.#agent, progress, sinceRow);
    this.#unwatch();
    await this.#agent.end('SIGTERM');
    return ended;
  }

  async abandon(): Promise<void> {
    await this.#agent.end('SIGKILL');
    this.#unwatch();
  }

  #begin(): AgentProcess {
    const agent = this.#ports.start();
    this.#ports.onStart(agent);
    return agent;
  }

  async #watch(): Promise<Progress> {
    await this.#agent.ready;
    this.#progress ??= new Progress(this.#agent.data);
    return this.#progress;
  }

  #unwatch(): void {
    this.#progress?.close();
    this.#progress = undefined;
  }
}

/** What did not come in time is missing in what is left, where it is seen. */
async function idle(agent: AgentProcess, progress: Progress, wanted: string | undefined): Promise<Ended> {
  const deadline = performance.now() + IDLE_MS;
  const quietMs = wanted === undefined ? QUIET_MS : QUIET_AFTER_MS;
  let [step, since] = [progress.step, performance.now()];
  while (performance.now() < deadline) {
    if (agent.hasEnded) throw new Error(`the agent ended by itself:\n${agent.words}`);
    if (progress.step !== step || !progress.isIdle) [step, since] = [progress.step, performance.now()];
    else if (performance.now() - since > quietMs) {
      const { sinceRow } = progress;
      if (wanted === undefined || sinceRow === wanted) return { steps: step, sinceRow };
    }
    await sleep(POLL_MS);
  }
  if (progress.isIdle) return { steps: step, sinceRow: progress.sinceRow };
  throw new Error(`the run came to no end: at step ${step}, ${progress.lag} groups wait:\n${agent.words}`);
}
