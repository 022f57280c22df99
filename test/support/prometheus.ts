/** A real Prometheus with an Alertmanager of its own, Debian's, for as long as a bench wants them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALERTMANAGER, freePort } from './alertmanager.ts';
import { eventually } from './system.ts';

export const PROMETHEUS = 'prometheus';

/** As their configuration files say it; absent: their own default. */
export interface PrometheusPace {
  scrape?: string;
  evaluate?: string;
  groupWait?: string;
  groupInterval?: string;
}

export interface RunningPrometheus {
  pids: number[];
  stop(): Promise<void>;
}

const READY_MS = 60_000;

/**
 * @param target `host:port` that is scraped
 * @param expression what fires
 * @param webhook each alert is a group of its own there: none waits for another
 */
export async function startPrometheus(
  folder: string,
  { target, expression, webhook, pace }: { target: string; expression: string; webhook: string; pace: PrometheusPace },
): Promise<RunningPrometheus> {
  mkdirSync(folder, { recursive: true });
  const file = (name: string, json: object) => {
    writeFileSync(join(folder, name), JSON.stringify(json));
    return join(folder, name);
  };
  const [amPort, port] = [await freePort(), await freePort()];
  const wait = { ...(pace.groupWait && { group_wait: pace.groupWait }) };
  const interval = { ...(pace.groupInterval && { group_interval: pace.groupInterval }) };
  const routes = file('alertmanager.yml', {
    route: { receiver: 'hook', group_by: ['...'], ...wait, ...interval },
    receivers: [{ name: 'hook', webhook_configs: [{ url: webhook, send_resolved: true }] }],
  });
  const rules = file('rules.yml', { groups: [{ name: 'probes', rules: [{ alert: 'over', expr: expression }] }] });
  const config = file('prometheus.yml', {
    global: {
      ...(pace.scrape && { scrape_interval: pace.scrape }),
      ...(pace.evaluate && { evaluation_interval: pace.evaluate }),
      // No more than the interval is taken.
      ...(pace.scrape && { scrape_timeout: pace.scrape }),
    },
    rule_files: [rules],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${amPort}`] }] }] },
    scrape_configs: [{ job_name: 'sensors', static_configs: [{ targets: [target] }] }],
  });
  const children = [
    spawn(
      ALERTMANAGER,
      [
        `--config.file=${routes}`,
        `--storage.path=${join(folder, 'am')}`,
        `--web.listen-address=127.0.0.1:${amPort}`,
        '--cluster.listen-address=',
      ],
      { stdio: 'ignore' },
    ),
    spawn(
      PROMETHEUS,
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, 'tsdb')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: 'ignore' },
    ),
  ];
  await eventually('Alertmanager is ready', () => isReady(children[0]!, amPort), READY_MS);
  await eventually('Prometheus is ready', () => isReady(children[1]!, port), READY_MS);
  return {
    pids: children.map(({ pid }) => pid!),
    stop: async () => {
      await Promise.all(children.map(ended));
    },
  };
}

async function isReady(child: ChildProcess, port: number): Promise<true | undefined> {
  if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}`);
  const answer = await fetch(`http://127.0.0.1:${port}/-/ready`).catch(() => undefined);
  return answer?.ok ? true : undefined;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    if (child.exitCode !== null) resolve();
    else child.kill('SIGKILL');
  });
}
