/** The `weir` command as a process, for tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const WEIR = fileURLToPath(new URL('../bin/weir.js', import.meta.url));

export interface Ran {
  out: string;
  err: string;
  code: number | null;
}

export function runWeir(
  args: readonly string[],
  { cwd, env, input }: { cwd: string; env: Record<string, string>; input?: string },
): { child: ChildProcess; ran: Ran; ended: Promise<Ran> } {
  const { PATH, TZ = 'UTC' } = process.env;
  const child = spawn(process.execPath, [WEIR, ...args], { cwd, env: { PATH, TZ, ...env } });
  const ran: Ran = { out: '', err: '', code: null };
  child.stdout.on('data', (chunk: Buffer) => (ran.out += chunk));
  child.stderr.on('data', (chunk: Buffer) => (ran.err += chunk));
  child.stdin.end(input ?? '');
  const ended = once(child, 'close').then(([code]) => ({ ...ran, code: code as number | null }));
  return { child, ran, ended };
}

/** As somebody who is logged in to the hub, works in the folder, and has the keys of it. */
export function weirIn(
  folder: string,
  { url, apiKey }: { url: string; apiKey: string },
  args: readonly string[],
  input?: string,
): Promise<Ran> {
  const env = { WEIR_URL: url, WEIR_API_KEY: apiKey, WEIR_KEYS: join(folder, 'keys') };
  return runWeir(args, { cwd: folder, env, ...(input !== undefined && { input }) }).ended;
}
