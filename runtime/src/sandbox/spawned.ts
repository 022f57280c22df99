/** One process of the system that is a sandbox, from its start to its end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type Answer, FrameWriter, readAnswers } from './frames.ts';
import type { Launch } from './isolation.ts';

export interface Listener {
  /** It may be told of jobs from now on. */
  onReady: (which: Spawned) => void;
  onAnswer: (which: Spawned, answer: Answer) => void;
  /** It said what is no answer; nothing more of it is read. */
  onMalformed: (which: Spawned) => void;
  onGone: (which: Spawned, how: string) => void;
  log: (level: 'debug' | 'warn' | 'error', message: string) => void;
}

const PAGE_BYTES = 4096;
const STATM = Buffer.alloc(128);

export class Spawned {
  readonly frames: FrameWriter;
  isReady = false;
  #child: ChildProcess;
  #statm: number | undefined;

  constructor({ command, args, cwd, env, program }: Launch, listener: Listener) {
    const child = spawn(command, args, { cwd, env, stdio: ['pipe', 'ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.on('error', (error) => {
      listener.log('error', `sandbox: ${error.message}`);
      listener.onGone(this, error.message);
    });
    child.once('exit', (code, signal) => listener.onGone(this, String(signal ?? code)));
    child.stderr!.on('data', (chunk: Buffer) =>
      listener.log('warn', `sandbox: ${chunk.toString('utf8').slice(0, 500).trim()}`),
    );
    const channel = child.stdio[3] as Socket;
    for (const stream of [child.stdin!, channel]) {
      stream.on('error', (error) => listener.log('debug', `sandbox: ${error.message}`));
    }
    this.frames = new FrameWriter(channel);
    readAnswers(
      channel,
      (answer) => {
        if (answer.kind !== 'ready') listener.onAnswer(this, answer);
        else {
          this.isReady = true;
          listener.onReady(this);
        }
      },
      () => listener.onMalformed(this),
    );
    child.stdin!.end(program);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** @returns whether there was something to kill: `onGone` will follow */
  kill(): boolean {
    if (this.#statm !== undefined) closeSync(this.#statm);
    this.#statm = undefined;
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return false;
    return this.#child.kill('SIGKILL');
  }

  async gone(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) await new Promise((resolve) => this.#child.once('exit', resolve));
  }

  /** 0 where there is no /proc. @see proc_pid_statm(5): the second number is resident pages */
  residentBytes(): number {
    try {
      this.#statm ??= openSync(`/proc/${this.pid}/statm`, 'r');
      const length = readSync(this.#statm, STATM, 0, STATM.length, 0);
      return Number(STATM.toString('latin1', 0, length).split(' ')[1]) * PAGE_BYTES;
    } catch {
      return 0;
    }
  }
}
