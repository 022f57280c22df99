/** `weir-agent run`: puts the agent together from the machine's own parts, and ends it on a signal. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  createFoldHost,
  createSandbox,
  type FunctionSandbox,
  makeFolder,
  nodeHttp,
  readIfThere,
  type Sandbox,
  SqliteError,
  sandboxOnDemand,
  UsageError,
  writeSecretFile,
} from '@weir/runtime';
import { type Logger, pino } from 'pino';
import { type AgentPorts, createAgent } from './agent.ts';
import { AgentClock } from './clock/agent-clock.ts';
import { systemClock } from './clock/clock.ts';
import { machineClocks } from './clock/machine-clocks.ts';
import { type Config, defaultConfig, metered } from './config/config.ts';
import { parseConfig } from './config/load.ts';
import { hubFiles, noHubFiles } from './deploy/hub-files.ts';
import { type AwsThing, readAwsThing } from './identity/aws-thing.ts';
import { Credentials, linksWith } from './identity/credentials.ts';
import { type Identity, keysOf, readIdentity, writeIdentity } from './identity/identity.ts';
import { renewalRequester } from './identity/renew-request.ts';
import { Renewal } from './identity/renewal.ts';
import { secretIn } from './identity/secrets.ts';
import { HubTrust } from './identity/trust.ts';
import { LocalBroker } from './intake/aedes.ts';
import { Users } from './intake/users.ts';
import { noticePorts } from './notices/ports.ts';
import { Secrets } from './secrets/secrets.ts';
import { Ballast } from './spool/ballast.ts';
import { diskFault } from './spool/disk-fault.ts';
import { type Lock, lockFile } from './spool/lock.ts';
import { spoolOptions } from './spool/settings.ts';
import { openSpool } from './spool/spool.ts';
import { Storage, type StoragePorts } from './spool/storage.ts';
import { readMachine } from './status/machine.ts';
import type { MachineUsage } from './status/metrics.ts';
import { serveMetrics } from './status/metrics-server.ts';
import { serveStatus } from './status/socket.ts';
import { mqttLink } from './uplink/mqtt-link.ts';
import { VERSION } from './version.ts';

export interface RunOptions {
  data: string;
  config?: string;
  mqttPort?: number;
  /** `host:port` the uplink connects to, instead of what the hub said at enrolment. */
  endpoint?: string;
  logLevel: string;
}

const OWNER_ONLY = 0o077;
const SENSOR_USER = 'sensor';
const LIFE_BYTES = 9;
const RUN_BYTES = 6;
/** A supervisor allows five seconds. */
const STOP_MS = 4_500;
const LOCK_RETRY_MS = 10_000;
/** After the first damage of the disk, and so much more after each other … */
const RESTART_MS = 1_000;
/** … up to this. */
const RESTART_MS_MAX = 60_000;

/** Runs until a signal; resolves with the exit code. */
export async function run(options: RunOptions): Promise<number> {
  // Whatever is written from here on, its database too, is its owner's alone.
  process.umask(OWNER_ONLY);
  const data = resolve(options.data);
  const log = pino({ level: options.logLevel }, pino.destination(2));
  const config = metered(await readConfig(options));
  const aws = config.aws && (await readAwsThing(config.aws));
  const identity = await readIdentity(data);
  requireSameName(aws, identity);
  const device = aws?.device ?? identity?.device ?? config.standalone;
  if (device === undefined) {
    throw new UsageError(
      'not-enrolled',
      `no device is enrolled in ${data}`,
      'enrol it with weir-agent join URL --token T, or set standalone: NAME to run without a hub',
    );
  }
  const lock = await lockWhenPossible(data, log);
  try {
    return await runLocked({ data, log, config, identity, aws, device, endpoint: options.endpoint });
  } finally {
    lock.release();
  }
}

interface Machine {
  data: string;
  log: Logger;
  config: Config;
  identity: Identity | undefined;
  /** Where telemetry goes instead of to a hub. */
  aws: AwsThing | undefined;
  device: string;
  endpoint: string | undefined;
}

/** What is started once, whatever becomes of the disk. */
interface Within {
  sandbox: Sandbox;
  trials: FunctionSandbox;
  ended: Promise<number>;
}

async function runLocked(machine: Machine): Promise<number> {
  const { log, config } = machine;
  const ended = signalled();
  const sandbox = createSandbox({ ...config.sandbox, log: (level, message) => log[level](message) });
  const trials = sandboxOnDemand(() =>
    createSandbox({
      rssBytesMax: config.sandbox.rssBytesMax,
      log: (level, message) => log[level](`trial: ${message}`),
    }),
  );
  await sandbox.start();
  try {
    let damage: string | undefined;
    for (let restarts = 1; ; restarts++) {
      const end = await runOnDisk(machine, { sandbox, trials, ended }, damage);
      if (typeof end === 'number') return end;
      damage = isDamage(end) ? end.message : undefined;
      const delayMs = Math.min(restarts * RESTART_MS, RESTART_MS_MAX);
      log.error(`the agent starts again in ${delayMs / 1_000} s: ${end.message}`);
      const isEnded = await Promise.race([ended, new Promise<void>((go) => systemClock.after(delayMs, go))]);
      if (isEnded !== undefined) return isEnded;
    }
  } finally {
    await trials.stop();
    await sandbox.stop();
  }
}

/**
 * Runs until a signal, or until the agent cannot go on.
 * @param damage what the run before has found wrong with the database
 * @returns the exit code, or what is wrong with the disk
 */
async function runOnDisk(machine: Machine, within: Within, damage: string | undefined): Promise<number | Error> {
  const storage = storageOf(machine, within.ended);
  if (!(await storage.open(damage))) return 0;
  try {
    return await runWith(storage, machine, within);
  } catch (error) {
    if (diskFault(error as Error) === undefined) throw error;
    return error as Error;
  } finally {
    await inTime(STOP_MS, storage.close());
  }
}

/** @throws what is wrong with the disk, once everything has ended */
async function runWith(storage: Storage, machine: Machine, { sandbox, trials, ended }: Within): Promise<number> {
  const { data, log, config, device, identity, aws } = machine;
  const time = new AgentClock(machineClocks(), systemClock, await storage.call('keptTime'), config.clock);
  const fatal = Promise.withResolvers<number>();
  // It may come before anybody waits for it.
  fatal.promise.catch(() => {});
  storage.onDamage(fatal.reject);
  const wait = (ms: number) => new Promise<void>((resolve) => systemClock.after(ms, resolve));
  const ports: AgentPorts = {
    clock: time,
    time,
    random: Math.random,
    spool: storage,
    storage,
    createHost: (onStatus, onFault, witness) =>
      createFoldHost({
        ...{ device, sandbox, onStatus, onFault, wait },
        elapsedMs: () => performance.now(),
        ...(witness && { witness }),
      }),
    ...{ sandbox, trials, bootId: bootId() },
    machine: () => readMachine(data, sandbox),
    hub: identity === undefined ? aws && withoutHub(aws, machine, time) : hubOf(identity, machine, time),
    sendHttp: nodeHttp(config.functions.requests),
    notices: await noticePorts(config.alerts, readConfigFile),
    users: new Users(await passwords(data, config)),
    openBroker: (brokerPorts, limits) => new LocalBroker(brokerPorts, limits),
    log,
    onFatal: (error) => (isDamage(error) ? fatal.reject(error) : fatal.resolve(1)),
  };
  const stops: (() => Promise<void>)[] = [];
  try {
    // Before functions go on: what waits to be sent may name some.
    await ports.hub?.secrets?.start();
    const agent = await createAgent(ports, { device, version: VERSION, config });
    stops.push(() => inTime(STOP_MS, agent.stop()));
    const { mqttPort } = await agent.start();
    const metricsText = async () => {
      // Loaded when somebody asks: most devices are never asked.
      const metrics = await import('./status/metrics.ts');
      return metrics.metricsText(await agent.status(), machineUsage());
    };
    const status = await serveStatus(data, {
      status: () => agent.status(),
      buffer: () => agent.buffer(),
      renew: () => agent.renew(),
      metrics: metricsText,
    });
    stops.push(() => status.stop());
    const metrics = config.metrics && (await serveMetrics(config.metrics, metricsText));
    if (metrics !== undefined) stops.push(() => metrics.stop());
    process.stdout.write(`ready ${JSON.stringify({ mqtt: mqttPort, metrics: metrics?.port, device })}\n`);
    log.info({ device, mqtt: mqttPort }, 'the agent is up');
    return await Promise.race([ended, fatal.promise]);
  } finally {
    log.info('the agent stops');
    for (const stop of stops.reverse()) await stop();
  }
}

/** A disk that is full, read-only or failing is waited for: a supervisor could only start the agent again. */
async function lockWhenPossible(data: string, log: Logger): Promise<Lock> {
  for (;;) {
    try {
      await makeFolder(data);
      return lockFile(join(data, 'lock'), data);
    } catch (error) {
      const { cause = error, message } = error as Error;
      // Where nothing is yet, there is a better folder.
      if (diskFault(cause as Error) === undefined || !existsSync(data)) throw error;
      log.error(`${data} cannot be used: ${message}; it is tried again in ${LOCK_RETRY_MS / 1_000} s`);
      await new Promise<void>((resolve) => systemClock.after(LOCK_RETRY_MS, resolve));
    }
  }
}

function isDamage(error: Error): error is SqliteError {
  return error instanceof SqliteError && error.code === 'corrupt';
}

/** @see proc(5), /proc/sys/kernel/random/boot_id */
function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}

function machineUsage(): MachineUsage {
  const { user, system } = process.cpuUsage();
  return { residentBytes: process.memoryUsage.rss(), cpuSeconds: (user + system) / 1e6 };
}

/** A life and a run have names that no other has. */
function storageOf({ data, log, config }: Machine, ended: Promise<number>): Storage {
  const { storage } = config;
  const words = {
    life: randomBytes(LIFE_BYTES).toString('base64url'),
    run: randomBytes(RUN_BYTES).toString('base64url'),
  };
  const options = spoolOptions(config, words);
  const ports: StoragePorts = {
    clock: systemClock,
    open: (file) => openSpool(file, options),
    ballast: new Ballast(data, storage.ballast),
    words,
    log: (level, message) => log[level](message),
    ended,
  };
  const quarantine = { filesMax: storage.quarantineFilesMax, bytesMax: storage.quarantineBytesMax };
  return new Storage(data, ports, { ballastBytes: storage.ballast, quarantine });
}

function hubOf(
  identity: Identity,
  { data, log, config, endpoint, aws }: Machine,
  time: AgentClock,
): NonNullable<AgentPorts['hub']> {
  const { device, ca, mqtt } = identity;
  const { keepalive, connectTimeout } = config.uplink;
  const say = (level: 'info' | 'warn', message: string) => log[level](message);
  const credentials: Credentials = new Credentials(identity, {
    async keep(changed) {
      await secrets.reseal(keysOf(changed));
      await writeIdentity(data, changed);
    },
    log: say,
  });
  const ofHub = { device, ...mqtt, serverName: mqtt.host, ca };
  const where = {
    ...(aws ?? ofHub),
    ...(endpoint !== undefined && parseEndpoint(endpoint)),
    keepalive,
    connectTimeout,
  };
  const trust = new HubTrust(where.ca, where.serverName, time);
  const inForce = () => credentials.inForce;
  const files = hubFiles(identity, inForce, config.deploy.fetchTimeout, time);
  const kept = join(data, 'credentials', 'secrets.json');
  const secrets = new Secrets(device, {
    ...{ fetch: () => files.secrets(), keys: () => credentials.keys, log: say },
    read: () => readIfThere(kept),
    keep: (text) => writeSecretFile(kept, text),
  });
  return {
    secrets,
    // At AWS the device shows what it has from there; its hub has taken a new certificate when it has given it.
    openLink: linksWith(credentials, (shown) => mqttLink({ ...shown, ...where, trust })),
    files,
    origin: { enrolment: identity.enrolment ?? '', root: identity.root },
    renewal: new Renewal({
      ...{ clock: time, random: Math.random, credentials, log: say },
      // Loaded when needed: what makes requests weighs as much as what runs.
      makeKey: async () => (await import('./identity/csr.ts')).makeKeyAndRequest(device),
      request: renewalRequester(identity, inForce, config.uplink.connectTimeout, time),
    }),
  };
}

/** Telemetry, shadows and commands go by AWS alone; there is nobody to give the device something to run. */
function withoutHub(aws: AwsThing, { config, endpoint }: Machine, time: AgentClock): NonNullable<AgentPorts['hub']> {
  const { keepalive, connectTimeout } = config.uplink;
  const where = { ...aws, ...(endpoint !== undefined && parseEndpoint(endpoint)) };
  return {
    openLink: mqttLink({ ...where, keepalive, connectTimeout, time }),
    files: noHubFiles,
  };
}

/** @throws {UsageError} `thing-other` */
function requireSameName(aws: AwsThing | undefined, identity: Identity | undefined): void {
  if (aws === undefined || identity === undefined || aws.device === identity.device) return;
  throw new UsageError(
    'thing-other',
    `aws.thing is ${aws.device}, and the device is enrolled as ${identity.device}`,
    'give the thing the name of the device, or enrol the device under the name of the thing',
  );
}

/** @throws {UsageError} `endpoint-malformed` */
function parseEndpoint(text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match && port > 0 && port < 65_536) return { host: (match[1] ?? match[2])!, port };
  throw new UsageError('endpoint-malformed', `${text} is no endpoint`, 'write it as HOST:PORT');
}

export async function readConfig({ config: path, mqttPort }: Pick<RunOptions, 'config' | 'mqttPort'>): Promise<Config> {
  const config = path === undefined ? defaultConfig() : parseConfig(await readConfigFile(path), path);
  if (mqttPort !== undefined) config.mqtt.port = mqttPort;
  return config;
}

async function readConfigFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new UsageError('config-unreadable', `${path} cannot be read: ${(cause as Error).message}`, undefined, {
      cause,
    });
  }
}

async function passwords(data: string, { mqtt }: Config): Promise<[name: string, password: string][]> {
  const known: [string, string][] = [
    [SENSOR_USER, await secretIn(join(data, 'credentials', `${SENSOR_USER}-password`))],
  ];
  for (const { name, passwordFile } of mqtt.users) known.push([name, (await readConfigFile(passwordFile)).trim()]);
  return known;
}

/** @returns 0 when told to end; told twice, by a terminal and by a launcher, is told once */
function signalled(): Promise<number> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(0));
  });
}

function inTime(ms: number, work: Promise<void>): Promise<void> {
  return Promise.race([work, new Promise<void>((resolve) => setTimeout(resolve, ms).unref())]);
}
