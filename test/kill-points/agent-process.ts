/** A real agent on a data folder, that can be killed together with its sandbox or without it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { sandboxesOf } from '../support/sandboxes.ts';

const AGENT = fileURLToPath(new URL('../../edge-agent/bin/weir-agent.js', import.meta.url));
/** A machine that has much else to do takes a minute for what takes it a second alone. */
const READY_MS = 180_000;

/** What may differ between runs and must change nothing. */
export interface Tuning {
  uncommittedReadingsMax: number;
  handoffReadingsMax: number;
  processes: number;
}

export class AgentProcess {
  readonly data: string;
  /** Resolves with the port of the broker. */
  readonly ready: Promise<number>;
  readonly ended: Promise<unknown>;
  #child: ChildProcess;
  #words = '';

  /** @param outboxBytesMax bound of each lane of readings */
  constructor(data: string, { uncommittedReadingsMax, handoffReadingsMax, processes }: Tuning, outboxBytesMax: string) {
    this.data = data;
    const config = join(data, 'agent.yaml');
    writeFileSync(
      config,
      JSON.stringify({
        standalone: 'gw1',
        functions: { uncommittedReadingsMax, handoffReadingsMax, deadLetters: { toldPerMinute: 1_000 } },
        sandbox: { processes },
        // What kills here is this, and not what runs.
        deploy: { trial: { endsMax: 0 } },
        outbox: { lanes: { live: { bytesMax: outboxBytesMax }, backfill: { bytesMax: outboxBytesMax } } },
      }),
    );
    const args = [AGENT, 'run', '--data', data, '--config', config, '--mqtt-port', '0', '--log-level', 'info'];
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this.#child);
    this.ended = once(this.#child, 'exit').then(() => running.delete(this.#child));
    this.#child.stderr!.on('data', (chunk) => {
      this.#words = `${this.#words}${chunk}`.slice(-4_000);
    });
    this.ready = this.#readyLine();
    // Whoever kills it before it is ready does not wait for that.
    this.ready.catch(() => {});
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** What it said last. */
  get words(): string {
    return this.#words;
  }

  get password(): string {
    return readFileSync(join(this.data, 'credentials', 'sensor-password'), 'utf8').trim();
  }

  /** Process ids. */
  sandboxes(): number[] {
    return sandboxesOf(this.pid);
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.hasEnded) return;
    this.#child.kill(signal);
    await this.ended;
  }

  #readyLine(): Promise<number> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`the agent ${why}:\n${this.#words}`));
      const timer = setTimeout(() => fail('was not ready in time'), READY_MS);
      this.#child.once('exit', (code) => {
        clearTimeout(timer);
        fail(`ended with code ${code}`);
      });
      createInterface({ input: this.#child.stdout! }).on('line', (line) => {
        if (!line.startsWith('ready ')) return;
        clearTimeout(timer);
        resolve((JSON.parse(line.slice('ready '.length)) as { mqtt: number }).mqtt);
      });
    });
  }
}

/** None outlives this process. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
