/** Lets system calls of a running process fail, by strace, on files that are named. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { isInstalled, missingTool } from '../support/tools.ts';

export interface Failure {
  calls: readonly string[];
  error: 'EIO' | 'ENOSPC' | 'EROFS';
  files: readonly string[];
}

const ATTACH_MS = 20_000;

/** @returns why it cannot be done here; undefined: it can */
export function injectionUnavailable(): string | undefined {
  if (process.platform !== 'linux') return 'strace is of Linux';
  if (!isInstalled('strace')) return missingTool('strace');
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'processes may not be traced here';
  }
}

export class FailingCalls {
  readonly #strace: ChildProcess;
  #failed = 0;

  private constructor(strace: ChildProcess) {
    this.#strace = strace;
    strace.stderr!.on('data', (chunk: Buffer) => {
      this.#failed += String(chunk).split('(INJECTED)').length - 1;
    });
  }

  /** Resolves when every call of these fails, in all threads. */
  static async attach(pid: number, { calls, error, files }: Failure): Promise<FailingCalls> {
    const args = ['-f', '-p', `${pid}`, ...files.flatMap((file) => ['-P', file])];
    args.push('-e', `trace=${calls.join(',')}`, '-e', `inject=${calls.join(',')}:error=${error}`);
    const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const failing = new FailingCalls(strace);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('strace did not attach in time')), ATTACH_MS);
      strace.once('exit', (code) => reject(new Error(`strace ended with ${code}`)));
      strace.stderr!.on('data', (chunk: Buffer) => {
        if (!String(chunk).includes('attached')) return;
        clearTimeout(timer);
        resolve();
      });
    });
    return failing;
  }

  /** How many calls have failed so far. */
  get failed(): number {
    return this.#failed;
  }

  /** From here on they are carried out again. */
  async detach(): Promise<void> {
    if (this.#strace.exitCode !== null || this.#strace.signalCode !== null) return;
    this.#strace.kill('SIGINT');
    await once(this.#strace, 'exit');
  }
}
