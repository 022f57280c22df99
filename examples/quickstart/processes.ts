/**
 * Starts the real programs of Weir as child processes and ends them in the order opposite to their start. They end by
 * themselves when this process is gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);
const programs = {
  weir: fileURLToPath(new URL('cloud/bin/weir.js', root)),
  'weir-agent': fileURLToPath(new URL('edge-agent/bin/weir-agent.js', root)),
  'weir-devices': fileURLToPath(new URL('devices/bin/weir-devices.js', root)),
};
export type Program = keyof typeof programs;
const untilStarterEnds = new URL('until-starter-ends.ts', import.meta.url).href;

/** Longer than any of them takes to start on a slow gateway. */
const READY_TIMEOUT_MS = 20_000;
/** They promise to end within five seconds. */
const STOP_TIMEOUT_MS = 6_000;

export class ProgramFailed extends Error {
  constructor(program: Program, args: readonly string[], code: number | null, output: string) {
    super(`${program} ${args.slice(0, 2).join(' ')} ended with code ${code}:\n${output.trim()}`);
    this.name = 'ProgramFailed';
  }
}

/** Runs a command to its end. @returns what it printed @throws {ProgramFailed} */
export async function run(program: Program, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [programs[program], ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new ProgramFailed(program, args, code, stderr || stdout);
  return stdout;
}

export class Programs {
  #running: { program: Program; child: ChildProcess }[] = [];
  #onEnd: (program: Program, code: number | null, lastWords: string) => void;

  /** @param onEnd told when one ends by itself, with what it said last */
  constructor(onEnd: (program: Program, code: number | null, lastWords: string) => void) {
    this.#onEnd = onEnd;
  }

  /**
   * @param logFile where its log goes
   * @returns the fields of its `ready` line, or nothing when it has none to print
   */
  async start<T>(program: Program, args: readonly string[], logFile: string): Promise<T> {
    // A group of its own: Ctrl-C reaches only this process, which ends the others in order.
    const child = spawn(process.execPath, ['--import', untilStarterEnds, programs[program], ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    const log = createWriteStream(logFile, { flags: 'a', mode: 0o600 });
    let lastWords = '';
    child.stderr.on('data', (chunk) => {
      lastWords = `${lastWords}${chunk}`.slice(-4_000);
    });
    child.stderr.pipe(log);
    const entry = { program, child };
    this.#running.push(entry);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${program} was not ready in time; see ${logFile}`)),
        READY_TIMEOUT_MS,
      );
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (!line.startsWith('ready')) return;
        clearTimeout(timer);
        resolve(JSON.parse(line.slice('ready'.length).trim() || '{}') as T);
      });
      // Not `exit`: what it said last may come after it.
      child.once('close', (code) => {
        clearTimeout(timer);
        const wasRunning = this.#running.includes(entry);
        this.#running = this.#running.filter((each) => each !== entry);
        reject(new ProgramFailed(program, args, code, lastWords));
        if (wasRunning) this.#onEnd(program, code, wordsOf(lastWords));
      });
    });
  }

  /** Ends all, the last started first; idempotent. */
  async stop(): Promise<void> {
    for (const { child } of this.#running.splice(0).reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await gone;
      clearTimeout(timer);
    }
  }

  /** At once; for an end that nobody planned. */
  kill(): void {
    for (const { child } of this.#running.splice(0)) child.kill('SIGKILL');
  }
}

/** Names those that started this process: npm does it through a shell, which outlives it. Another name: one is gone. */
export function startersOf(): string {
  const { ppid } = process;
  try {
    // <pid> (<name>) <state> <parent> …
    const [, parent] = readFileSync(`/proc/${ppid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return `${ppid} ${parent}`;
  } catch {
    // Not Linux, or just gone.
    return `${ppid}`;
  }
}

/** What a program said to people; when it said nothing to them, the end of its log. */
export function wordsOf(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const words = lines.filter((line) => !line.startsWith('{'));
  return (words.length > 0 ? words : lines.slice(-3)).join('\n');
}

/** @returns `wanted` when nothing listens there, else a port that is free */
export async function freePort(wanted: number): Promise<number> {
  return (await tryListen(wanted)) ?? (await tryListen(0))!;
}

function tryListen(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const { port: bound } = server.address() as { port: number };
      server.close(() => resolve(bound));
    });
  });
}
