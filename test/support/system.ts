/** A hub and a gateway as real processes in a temporary folder, driven by their own commands. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect } from 'mqtt';

const root = new URL('../../', import.meta.url);
export const bins = {
  weir: fileURLToPath(new URL('cloud/bin/weir.js', root)),
  'weir-agent': fileURLToPath(new URL('edge-agent/bin/weir-agent.js', root)),
};

export const exampleFile = (name: string): string => fileURLToPath(new URL(`examples/${name}`, root));

export interface Finished {
  code: number;
  stdout: string;
  stderr: string;
}

export interface HubPorts {
  mqtt: number;
  device: number;
  api: number;
}

export interface StoredReading {
  id: string;
  value: number;
}

const READY_TIMEOUT_MS = 30_000;
const OUTPUT_CHARACTERS_MAX = 16 * 1024 * 1024;

export class System {
  readonly folder = mkdtempSync(join(tmpdir(), 'weir-e2e-'));
  /** Data folders; before the first start they may be put elsewhere: on a disk that is small, say. */
  hubData = join(this.folder, 'hub');
  agentData = join(this.folder, 'agent');
  /** Of whoever deploys. */
  keys = join(this.folder, 'keys');
  hub: ChildProcess | undefined;
  agent: ChildProcess | undefined;
  /** The ports of the first start are kept for every later one, as a real installation keeps them. */
  hubPorts: HubPorts = { mqtt: 0, device: 0, api: 0 };
  brokerPort = 0;
  /** Of the agent, where its configuration says so. */
  metricsPort: number | undefined;
  /** YAML files; undefined: every default holds. */
  hubConfig: string | undefined;
  agentConfig: string | undefined;
  /** `host:port` under which the agent finds its hub, if it is not the hub's own. */
  endpoint: string | undefined;
  /** Of the agent and its commands, beside that of this process. */
  agentEnvironment: Record<string, string> = {};
  /** Of `weir hub`, beside those that say where and how it listens. */
  hubArguments: string[] = [];
  /** Lines that the hub printed at its last start, until it was ready. */
  hubWords: string[] = [];
  /** Everything that any process printed. */
  output = '';

  async startHub(): Promise<void> {
    const { mqtt, device, api } = this.hubPorts;
    const args = [
      'hub',
      '--data',
      this.hubData,
      '--mqtt-port',
      `${mqtt}`,
      '--device-port',
      `${device}`,
      '--api-port',
      `${api}`,
      ...(this.hubConfig === undefined ? [] : ['--config', this.hubConfig]),
      ...this.hubArguments,
    ];
    this.hub = this.#spawn('weir', args);
    this.hubWords = [];
    this.hubPorts = await this.#ready<HubPorts>(this.hub, 'weir hub', this.hubWords);
  }

  async startAgent(): Promise<void> {
    const args = ['run', '--data', this.agentData, '--mqtt-port', `${this.brokerPort}`];
    if (this.agentConfig !== undefined) args.push('--config', this.agentConfig);
    if (this.endpoint !== undefined) args.push('--endpoint', this.endpoint);
    this.agent = this.#spawn('weir-agent', args);
    const ready = await this.#ready<{ mqtt: number; metrics?: number }>(this.agent, 'weir-agent run');
    this.brokerPort = ready.mqtt;
    this.metricsPort = ready.metrics;
  }

  /** Hub, group `plant`, device `gw1` in it, agent. */
  async startAll(): Promise<void> {
    await this.startHub();
    await this.weir('group', 'create', 'plant');
    const { token } = await this.weirJson<{ token: string }>('token', 'create', '--group', 'plant');
    await this.join('gw1', token);
    await this.startAgent();
  }

  async join(name: string, token: string): Promise<void> {
    const url = `https://127.0.0.1:${this.hubPorts.device}`;
    const joined = await this.run(
      'weir-agent',
      'join',
      url,
      '--token',
      token,
      '--name',
      name,
      '--data',
      this.agentData,
    );
    if (joined.code !== 0) throw new Error(`join failed: ${joined.stderr}`);
  }

  async kill(which: 'hub' | 'agent', signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const child = this[which]!;
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const gone = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    signalGroup(child, signal);
    return gone;
  }

  /** To the program and its sandbox, e.g. to freeze them. */
  signal(which: 'hub' | 'agent', signal: NodeJS.Signals): void {
    signalGroup(this[which]!, signal);
  }

  /** Whether it was started and has not ended. */
  isUp(which: 'hub' | 'agent'): boolean {
    const child = this[which];
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  async stop(): Promise<void> {
    for (const which of ['agent', 'hub'] as const) if (this[which] !== undefined) await this.kill(which);
    rmSync(this.folder, { recursive: true, force: true });
  }

  run(program: keyof typeof bins, ...args: string[]): Promise<Finished> {
    return new Promise((resolve) => {
      const options = { maxBuffer: 64 * 1024 * 1024, env: this.#environmentOf(program) };
      execFile(process.execPath, [bins[program], ...args], options, (error, stdout, stderr) => {
        this.output += stderr;
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
      });
    });
  }

  async weir(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run('weir', ...args, '--hub-data', this.hubData);
    if (code !== 0) throw new Error(`weir ${args.join(' ')} ended with ${code}: ${stderr || stdout}`);
    return stdout;
  }

  async weirJson<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.weir(...args, '--json')) as T;
  }

  async agentStatus<T>(): Promise<T> {
    const { code, stdout, stderr } = await this.run('weir-agent', 'status', '--json', '--data', this.agentData);
    if (code !== 0) throw new Error(`weir-agent status ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** The operator API, with the key that the hub keeps for its owner. */
  async api<T>(path: string): Promise<T> {
    return JSON.parse(await this.#get(`/api/v1${path}`)) as T;
  }

  /** Of the hub, as Prometheus gets them. */
  metrics(): Promise<string> {
    return this.#get('/metrics');
  }

  async #get(path: string): Promise<string> {
    const { url, apiKey } = JSON.parse(readFileSync(join(this.hubData, 'cli.json'), 'utf8')) as {
      url: string;
      apiKey: string;
    };
    const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${apiKey}` } });
    const text = await response.text();
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${text}`);
    return text;
  }

  /** All that is stored of a device, or of a gatherer, in the order of the API: page by page, for a page may be short. */
  async readings(device: string, query: { sensor?: string; metric?: string }): Promise<StoredReading[]> {
    const found: StoredReading[] = [];
    let after: string | undefined;
    do {
      const asked = new URLSearchParams({ ...query, limit: '5000', ...(after !== undefined && { after }) });
      const path = `/devices/${encodeURIComponent(device)}/readings?${asked}`;
      const page = await this.api<{ items: StoredReading[]; next?: string }>(path);
      found.push(...page.items);
      after = page.next;
    } while (after !== undefined);
    return found;
  }

  get sensorPassword(): string {
    return readFileSync(join(this.agentData, 'credentials', 'sensor-password'), 'utf8').trim();
  }

  /** Publishes one message at QoS 1 as a real sensor would: by mosquitto_pub where it is installed. */
  async publish(topic: string, payload: string | Uint8Array): Promise<Finished> {
    const file = this.file('payload', payload);
    const login = ['-h', '127.0.0.1', '-p', `${this.brokerPort}`, '-u', 'sensor', '-P', this.sensorPassword];
    if (process.env.WEIR_MOSQUITTO === undefined) return this.#publishByMqttJs(topic, payload);
    return new Promise((resolve) => {
      execFile('mosquitto_pub', [...login, '-q', '1', '-t', topic, '-f', file], (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
      });
    });
  }

  file(name: string, text: string | Uint8Array): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** Every file of both data folders. */
  dataFiles(): { path: string; text: string; mode: number }[] {
    return [this.hubData, this.agentData].filter(existsSync).flatMap((folder) =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .map((path) => ({ path, text: readFileSync(path, 'latin1'), mode: statSync(path).mode })),
    );
  }

  async #publishByMqttJs(topic: string, payload: string | Uint8Array): Promise<Finished> {
    const options = { username: 'sensor', password: this.sensorPassword, reconnectPeriod: 0, connectTimeout: 5_000 };
    const client = connect(`mqtt://127.0.0.1:${this.brokerPort}`, options);
    try {
      await new Promise<void>((resolve, reject) => {
        client.once('error', reject);
        client.once('close', () => reject(new Error('the connection was closed')));
        client.publish(topic, Buffer.from(payload), { qos: 1 }, (error) => (error ? reject(error) : resolve()));
      });
      return { code: 0, stdout: '', stderr: '' };
    } catch (error) {
      return { code: 1, stdout: '', stderr: (error as Error).message };
    } finally {
      client.end(true);
    }
  }

  #environmentOf(program: keyof typeof bins): NodeJS.ProcessEnv {
    // Nobody's own keys are used, or added to.
    const environment = { ...process.env, WEIR_KEYS: this.keys };
    return program === 'weir-agent' ? { ...environment, ...this.agentEnvironment } : environment;
  }

  #spawn(program: keyof typeof bins, args: string[]): ChildProcess {
    const child = spawn(process.execPath, [bins[program], ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: this.#environmentOf(program),
    });
    child.stderr.on('data', (chunk) => {
      this.#keep(chunk);
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    return child;
  }

  /** Of what is printed the last is kept: a disk that is full for an hour is complained of at length. */
  #keep(text: string | Buffer): void {
    this.output += text;
    if (this.output.length > OUTPUT_CHARACTERS_MAX) this.output = this.output.slice(-OUTPUT_CHARACTERS_MAX / 2);
  }

  #ready<T>(child: ChildProcess, name: string, lines: string[] = []): Promise<T> {
    let words = '';
    child.stderr!.on('data', (chunk) => {
      words = `${words}${chunk}`.slice(-3_000);
    });
    return new Promise<T>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${name} ${why}:\n${words}`));
      const timer = setTimeout(() => fail('was not ready in time'), READY_TIMEOUT_MS);
      child.once('exit', (code) => {
        clearTimeout(timer);
        fail(`ended with code ${code}`);
      });
      createInterface({ input: child.stdout! }).on('line', (line) => {
        this.#keep(`${line}\n`);
        if (!line.startsWith('ready ')) {
          lines.push(line);
          return;
        }
        clearTimeout(timer);
        resolve(JSON.parse(line.slice('ready '.length)) as T);
      });
    });
  }
}

/** None outlives this process. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) signalGroup(child, 'SIGKILL');
});

/** The program runs under a small launcher; both are one process group. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid!, signal);
  } catch (error) {
    // It ended by itself a moment ago.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** A device that found no hub tries again within 30 s; as long again for a machine that is busy. */
const PATIENCE_MS = 60_000;

/** Polls until `check` gives something; the message of the last failure is the reason when the time is up. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined> | T | undefined,
  timeoutMs = PATIENCE_MS,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last = 'nothing yet';
  for (;;) {
    try {
      const found = await check();
      if (found !== undefined) return found;
    } catch (error) {
      last = (error as Error).message;
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms; last: ${last}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
