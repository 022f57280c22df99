/** The `weir` command as a process, for tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
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
