/**
 * `npm start`: the whole product on one machine. A hub, a gateway enrolled with a real token, simulated sensors that
 * publish over MQTT, a function and a rule deployed to a group, alerts on the screen.
 *
 * `npm start -- --outage` also cuts the link between gateway and hub for ten seconds.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { agentStatus } from './agent-client.ts';
import { HubClient } from './hub-client.ts';
import { Link } from './link.ts';
import { freePort, Programs, run, startersOf } from './processes.ts';
import { Screen } from './screen.ts';

const GROUP = 'demo';
const DEVICE = 'gw1';
const EXAMPLES = fileURLToPath(new URL('../', import.meta.url));
/** How often the counts are printed. */
const COUNTS_MS = 10_000;
const OUTAGE_AFTER_MS = 8_000;
const OUTAGE_MS = 10_000;
const DRAIN_TIMEOUT_MS = 60_000;

const { values: options } = parseArgs({
  options: {
    outage: { type: 'boolean', default: false },
    data: { type: 'string', default: '.weir' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (options.help) {
  console.log(`Usage: npm start -- [--outage] [--data DIR]

  Runs a hub, a gateway and simulated sensors on this machine until Ctrl-C.

  --outage     cuts the link between gateway and hub for ten seconds
  --data DIR   where hub and gateway keep their data (default .weir; kept for the next start)`);
  process.exit(0);
}

const data = options.data;
const hubData = join(data, 'hub');
const agentData = join(data, 'agent');
const logs = join(data, 'logs');
/** What is deployed here is signed with keys of its own, which go with the folder. */
process.env.WEIR_KEYS = resolve(data, 'keys');
const screen = new Screen();
const stopping = new AbortController();
let link: Link | undefined;

process.once('exit', () => programs.kill());

const programs = new Programs((program, code, lastWords) => {
  screen.line(`${program} ended unexpectedly with code ${code}; its log is ${join(logs, `${program}.log`)}`);
  screen.quote(lastWords);
  void shutdown(1);
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void shutdown(0));

// Killed outright, npm cannot tell us that it ends.
if (process.env.npm_lifecycle_event !== undefined) {
  const starters = startersOf();
  setInterval(() => startersOf() !== starters && void shutdown(1), 1_000).unref();
}

try {
  await main();
} catch (error) {
  if (!stopping.signal.aborted) {
    screen.line((error as Error).message);
    await shutdown(1);
  }
}

async function main(): Promise<void> {
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  screen.title('Weir: a hub, a gateway and simulated sensors on this machine. Ctrl-C ends all of it.');
  const hub = await startHub();
  const client = new HubClient(hubData);
  void follow(client);
  await weir('group', 'create', GROUP).catch(unlessItExists);
  // What is deployed to a group reaches its devices when they come.
  const deployed = deploy();
  await enrol(hub.device);
  const broker = await startAgent(hub.mqtt);
  await deployed;
  await startSensors(broker);
  screen.hints(broker, join(agentData, 'credentials', 'sensor-password'), DEVICE);
  await Promise.all([reportCounts(client), options.outage ? outage(client) : undefined]);
}

interface HubPorts {
  mqtt: number;
  device: number;
  api: number;
}

async function startHub(): Promise<HubPorts> {
  const [mqtt, device, api] = [await freePort(8883), await freePort(8443), await freePort(8080)];
  const args = [
    'hub',
    '--data',
    hubData,
    '--mqtt-port',
    `${mqtt}`,
    '--device-port',
    `${device}`,
    '--api-port',
    `${api}`,
  ];
  const ports = await programs.start<HubPorts>('weir', args, join(logs, 'weir.log'));
  screen.step(
    'hub',
    `API http://127.0.0.1:${ports.api} (OpenAPI at /api/v1/openapi.json), MQTT over TLS on ${ports.mqtt}`,
  );
  return ports;
}

async function enrol(devicePort: number): Promise<void> {
  if (existsSync(join(agentData, 'credentials', 'identity.json'))) {
    screen.step('gateway', `${DEVICE} was enrolled before; its data is in ${relative('.', agentData)}`);
    return;
  }
  const { token } = JSON.parse(await weir('token', 'create', '--group', GROUP, '--replace', '--json')) as {
    token: string;
  };
  const url = `https://127.0.0.1:${devicePort}`;
  await run('weir-agent', ['join', url, '--token', token, '--name', DEVICE, '--data', agentData]);
  screen.step('gateway', `${DEVICE} made its key, used a join token, and got its certificate`);
}

async function startAgent(hubMqttPort: number): Promise<number> {
  link = new Link(hubMqttPort);
  const endpoint = `127.0.0.1:${await link.open()}`;
  const config = join(data, 'agent.yaml');
  // By default a gateway may wait half a minute before it tries again, which spares a hub; nobody wants to watch that.
  writeFileSync(config, 'uplink:\n  backoffCap: 2s\n');
  const args = ['run', '--data', agentData, '--config', config, '--mqtt-port', `${await freePort(1883)}`];
  args.push('--endpoint', endpoint);
  const { mqtt } = await programs.start<{ mqtt: number }>('weir-agent', args, join(logs, 'weir-agent.log'));
  screen.step('gateway', `${DEVICE} runs; its broker for sensors is 127.0.0.1:${mqtt}`);
  return mqtt;
}

async function deploy(): Promise<void> {
  await Promise.all([
    weir('fn', 'deploy', join(EXAMPLES, 'functions/moving-average.ts'), '--group', GROUP),
    weir('rule', 'apply', join(EXAMPLES, 'rules/oven-too-hot.yaml'), '--group', GROUP),
    weir('channel', 'add', 'screen', '--terminal').catch(unlessItExists),
  ]);
  screen.step('deploy', `function moving-average to group ${GROUP}: smooths each temperature`);
  screen.step('deploy', `rule oven-too-hot to group ${GROUP}: fires over 80, ends under 75`);
}

/** A second start finds what the first one made. */
function unlessItExists(error: Error): void {
  if (!/already|exists/.test(error.message)) throw error;
}

async function startSensors(broker: number): Promise<void> {
  const password = join(agentData, 'credentials', 'sensor-password');
  const args = ['simulate', '--demo', '--port', `${broker}`, '--username', 'sensor', '--password-file', password];
  await programs.start('weir-devices', args, join(logs, 'weir-devices.log'));
  screen.step('sensors', 'a cold store and a machine hall publish; oven2 overheats now and then');
}

async function follow(client: HubClient): Promise<void> {
  try {
    for await (const event of client.events(stopping.signal)) screen.event(event);
  } catch (error) {
    if (!stopping.signal.aborted) screen.line(`the hub's events ended: ${(error as Error).message}`);
  }
}

async function reportCounts(client: HubClient): Promise<void> {
  while (!stopping.signal.aborted) {
    await delay(COUNTS_MS, undefined, { signal: stopping.signal });
    const { sensed, computed, waiting } = await gatewayCounts();
    const stored = await client.count(DEVICE);
    screen.line(
      `${number(sensed)} readings from sensors, ${number(computed)} computed from them; ` +
        `${number(stored)} in the hub's store, ${number(waiting)} on the way`,
    );
  }
}

async function outage(client: HubClient): Promise<void> {
  await delay(OUTAGE_AFTER_MS, undefined, { signal: stopping.signal });
  const before = await gatewayCounts();
  const storedBefore = await client.count(DEVICE);
  link!.cut();
  screen.line(`OUTAGE    the link is cut for ${OUTAGE_MS / 1000} seconds; sensors, functions and rules go on`);
  await delay(OUTAGE_MS, undefined, { signal: stopping.signal });
  const after = await gatewayCounts();
  const made = after.sensed + after.computed - before.sensed - before.computed;
  screen.line(`OUTAGE    ${number(made)} readings came meanwhile; ${number(after.waiting)} wait at the gateway`);
  link!.heal();
  const healedAt = Date.now();
  const expected = storedBefore + before.waiting + made;
  while (Date.now() - healedAt < DRAIN_TIMEOUT_MS) {
    await delay(200, undefined, { signal: stopping.signal });
    if ((await client.count(DEVICE)) < expected) continue;
    const { dropped } = await gatewayCounts();
    const seconds = ((Date.now() - healedAt) / 1000).toFixed(1);
    screen.line(
      `HEALED    ${seconds} s later all of them are in the hub's store; ${number(dropped - before.dropped)} were lost`,
    );
    return;
  }
  screen.line('HEALED    the backlog has not drained within a minute; see npx weir-agent status');
}

/** Since the data folder was made. */
async function gatewayCounts(): Promise<{ sensed: number; computed: number; waiting: number; dropped: number }> {
  const { accepted, lanes } = await agentStatus(agentData);
  const readings = lanes.filter(({ lane }) => lane !== 'alert');
  const sum = (field: 'items' | 'dropped' | 'nextSeq') => readings.reduce((total, lane) => total + lane[field], 0);
  return {
    sensed: accepted,
    computed: Math.max(0, sum('nextSeq') - accepted),
    waiting: sum('items'),
    dropped: sum('dropped'),
  };
}

function weir(...args: string[]): Promise<string> {
  return run('weir', [...args, '--hub-data', hubData]);
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

async function shutdown(code: number): Promise<void> {
  if (stopping.signal.aborted) return;
  stopping.abort();
  screen.line('stopping …');
  await programs.stop();
  link?.close();
  screen.line(`stopped. Data is kept in ${data} for the next start; delete it to begin anew.`);
  process.exit(code);
}
