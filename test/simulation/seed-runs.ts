/** Runs seeds in several processes, each with its own core. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Told } from './seeds-process.ts';
import type { SimulationResult } from './simulate.ts';

const PROCESS = fileURLToPath(new URL('./seeds-process.ts', import.meta.url));

export interface SeedRunsOptions {
  seeds: Iterable<number>;
  processes: number;
  onResult(result: SimulationResult): void;
  signal: AbortSignal;
}

/** Resolves when all have run, or as soon as it is aborted. @throws when a process ends by itself */
export async function runSeeds({ seeds, processes, onResult, signal }: SeedRunsOptions): Promise<void> {
  const waiting = seeds[Symbol.iterator]();
  const children = Array.from({ length: processes }, () =>
    fork(PROCESS, [], { execArgv: ['--no-node-snapshot', '--disable-warning=ExperimentalWarning'] }),
  );
  const stop = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  signal.addEventListener('abort', stop);
  try {
    await Promise.all(children.map((child) => serve(child, waiting, onResult, signal)));
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

function serve(
  child: ChildProcess,
  waiting: Iterator<number>,
  onResult: (result: SimulationResult) => void,
  signal: AbortSignal,
): Promise<void> {
  let current: number | undefined;
  return new Promise((resolve, reject) => {
    child.on('message', (message: { result?: SimulationResult }) => {
      if (message.result !== undefined) onResult(message.result);
      const next = waiting.next();
      current = next.done ? undefined : next.value;
      child.send((next.done ? { end: true } : { seed: next.value }) satisfies Told);
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (current === undefined || signal.aborted) resolve();
      else reject(new Error(`the process that ran seed ${current} ended with ${code}`));
    });
  });
}
