/**
 * Looks at the resident memory of processes from a process of its own, so that it neither stalls with the one that is
 * measured nor stalls it. Run as a program it is that process.
 *
 *     parent -> [pid, …]        look at these from now on
 *     parent <- Sampled         so far, when told to look at none
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

export interface Sampled {
  /** The highest that one process had; 0 where there is no /proc. */
  peakMb: number;
  /** Of the sampler itself, which does next to nothing: what a busy machine does to any process. */
  stallMsMax: number;
}

const LOOK_MS = 2;
const TELL_MS = 5;

export class MemorySampler {
  #child: ChildProcess;
  #telling: NodeJS.Timeout;

  private constructor(child: ChildProcess, pids: () => readonly number[]) {
    this.#child = child;
    let told = '';
    this.#telling = setInterval(() => {
      if (told === String(pids())) return;
      told = String(pids());
      child.send([...pids()]);
    }, TELL_MS);
  }

  static async start(pids: () => readonly number[]): Promise<MemorySampler> {
    const child = fork(fileURLToPath(import.meta.url), ['sample']);
    await once(child, 'message');
    return new MemorySampler(child, pids);
  }

  async stop(): Promise<Sampled> {
    clearInterval(this.#telling);
    const answer = once(this.#child, 'message');
    this.#child.send([]);
    const [sampled] = (await answer) as [Sampled];
    this.#child.kill();
    return sampled;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) sample();

function sample(): void {
  let pids: number[] = [];
  let peakMb = 0;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  process.on('message', (next: number[]) => {
    pids = next;
    if (pids.length === 0) process.send!({ peakMb, stallMsMax: delay.max / 1e6 });
    else delay.enable();
  });
  setInterval(() => {
    for (const pid of pids) peakMb = Math.max(peakMb, peakMbOf(pid));
  }, LOOK_MS);
  process.send!(0);
}

/** The system remembers the peak itself. @see proc_pid_status(5): VmHWM */
function peakMbOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
