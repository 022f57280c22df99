/** Starts a program of `node_modules/.bin` (or of the machine) under the pinned Node, and waits for its end. */
import { spawn } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BINS = fileURLToPath(new URL('../../node_modules/.bin', import.meta.url));

export interface Outcome {
  /** Null: ended by a signal, or never started. */
  code: number | null;
  /** Standard output and standard error, in the order in which they came. */
  output: string;
  seconds: number;
}

export interface RunOptions {
  env?: Record<string, string>;
  /** Shows what is printed while it runs; otherwise it is only kept. */
  show?: boolean;
}

export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const started = performance.now();
  // The pinned Node first: shebangs look it up in PATH.
  const path = [dirname(process.execPath), BINS, process.env.PATH].join(delimiter);
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...options.env, PATH: path },
    stdio: options.show ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const keep = (text: Buffer) => {
    output += text;
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const code = await new Promise<number | null>((resolve) => {
    child.on('error', (error) => {
      output += `${error.message}\n`;
      resolve(null);
    });
    child.on('close', resolve);
  });
  return { code, output, seconds: (performance.now() - started) / 1000 };
}
