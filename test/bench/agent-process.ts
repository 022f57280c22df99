/** A real agent, `weir-agent run`, in a temporary folder, without a hub, with one function deployed before it starts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import type { StatusReport } from '@weir/edge-agent';
import { buildFunctionBundle, userState } from '@weir/runtime';
import { deployedSpool } from '../support/deployed-spool.ts';
import { rssMb, writtenBytes } from './process-figures.ts';

const AGENT = fileURLToPath(new URL('../../edge-agent/bin/weir-agent.js', import.meta.url));
const START_TIMEOUT_MS = 20_000;

export interface AgentProcess {
  readonly port: number;
  readonly password: string;
  status(): Promise<StatusReport>;
  /** What it has sent to the disk since it was started, with what the system has gathered; 0 where there is no /proc. */
  writtenBytes(): number;
  /** Resident memory of the agent and the sandbox's process, MiB. */
  rssMb(): number;
  /** Ends it without warning, as a power cut does. */
  kill(): Promise<void>;
  /** What the function knew at the last commit; after `kill`. */
  committedState(): unknown;
  remove(): void;
}

/** @param settings more of the configuration file, as YAML */
export async function startAgent(functionFile: string, settings = ''): Promise<AgentProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-bench-'));
  const data = join(folder, 'agent');
  await deploy(data, functionFile);
  const config = join(folder, 'agent.yaml');
  writeFileSync(config, `standalone: bench\n${settings}`);
  const args = [AGENT, 'run', '--data', data, '--config', config, '--mqtt-port', '0', '--log-level', 'error'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill('SIGKILL'));
  const { mqtt } = await readyLine(child);
  return {
    port: mqtt,
    password: readFileSync(join(data, 'credentials', 'sensor-password'), 'utf8').trim(),
    status: () => askStatus(join(data, 'agent.sock')),
    writtenBytes: () => writtenBytes(child.pid!),
    rssMb: () => rssMb(child.pid!),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
    committedState() {
      const db = new DatabaseSync(join(data, 'spool.db'));
      const row = db.prepare('SELECT json FROM fold_state').get();
      db.close();
      if (row === undefined) return undefined;
      return userState(row.json as string);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function deploy(data: string, functionFile: string): Promise<void> {
  const { bundle, bytes, hash } = await buildFunctionBundle(functionFile);
  if (bundle.kind !== 'function') throw new Error(`${functionFile} is no function`);
  const spool = await deployedSpool(data, [{ name: bundle.manifest.name, hash, bytes }]);
  await spool.close();
}

function readyLine(child: ChildProcess): Promise<{ mqtt: number }> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the agent was not ready in time')), START_TIMEOUT_MS);
    child.once('exit', (code) => reject(new Error(`the agent ended with code ${code}`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (!line.startsWith('ready ')) return;
      clearTimeout(timer);
      resolve(JSON.parse(line.slice('ready '.length)) as { mqtt: number });
    });
  });
}

function askStatus(socketPath: string): Promise<StatusReport> {
  return new Promise((resolve, reject) => {
    get({ socketPath, path: '/status' }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve(JSON.parse(text) as StatusReport);
    }).on('error', reject);
  });
}
