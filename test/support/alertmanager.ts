/** A real Alertmanager, Debian's, for as long as a test wants it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { eventually } from './system.ts';

export const ALERTMANAGER = 'prometheus-alertmanager';

export interface RunningAlertmanager {
  url: string;
  /** What it has, with its state. */
  alerts(): Promise<ShownAlert[]>;
  stop(): Promise<void>;
}

export interface ShownAlert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  endsAt: string;
  fingerprint: string;
  status: { state: string };
}

/** @param webhook where it sends what it has itself */
export async function startAlertmanager(folder: string, webhook: string): Promise<RunningAlertmanager> {
  const data = join(folder, 'alertmanager');
  mkdirSync(data, { recursive: true });
  const config = join(folder, 'alertmanager.yml');
  writeFileSync(
    config,
    `route: { receiver: back, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 1h }
receivers: [{ name: back, webhook_configs: [{ url: '${webhook}', send_resolved: true }] }]
`,
  );
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = [`--config.file=${config}`, `--storage.path=${data}`, `--web.listen-address=127.0.0.1:${port}`];
  const child = spawn(ALERTMANAGER, [...args, '--cluster.listen-address='], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await eventually('Alertmanager is ready', () => isReady(child, url), 30_000);
  return {
    url,
    alerts: async () => (await (await fetch(`${url}/api/v2/alerts`)).json()) as ShownAlert[],
    async stop() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function isReady(child: ChildProcess, url: string): Promise<true | undefined> {
  if (child.exitCode !== null) throw new Error(`Alertmanager ended with ${child.exitCode}`);
  const answer = await fetch(`${url}/-/ready`).catch(() => undefined);
  return answer?.ok ? true : undefined;
}

/** It cannot be told to take any. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
