import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type MqttClient } from 'mqtt';
import { eventually, System } from '../support/system.ts';
import type { Bench, BenchOptions, Metrics } from './bench.ts';
import { LiveProbe } from './live-probe.ts';
import { cpuSeconds } from './process-figures.ts';

export const BACKGROUND_PER_S = 1_000;
export const KINDS = ['edge', 'cloud'] as const;
type Kind = (typeof KINDS)[number];
/** Between one that crosses a level and the next, of either kind in turns. */
const PROBE_MS = 100;
/** Of either kind, of which nothing is measured: code that is run for the first time is slow. */
const WARM_UP_PROBES = 20;
/** A reading is under the level again so much later. */
const OVER_MS = 400;
const LATE_MS = 20_000;

export const alertLatency: Bench = {
  secondsDefault: 20,
  run,
  help: `
alert-latency: from a sensor's publish until somebody is told.

  A real hub and a real agent (\`weir hub\`, \`weir-agent run\`) in a temporary folder, joined by MQTT over TLS, with their default
  limits, beside each other on this machine with what drives them. Two rules are applied, one that runs on the gateway and one that
  runs in the hub; both are \`above: 50\`. One channel, a signed webhook, may be told of a thousand alerts a second; all else is as it
  comes.

  Sensors publish ${BACKGROUND_PER_S} readings a second, each a message of its own at QoS 1, which neither rule takes. Beside them one sensor after another, each
  used once, publishes a value over the level, and under it ${OVER_MS} ms later: one each ${PROBE_MS} ms, for the gateway's rule and the hub's in turns, for --seconds. The
  latency of an alert is from the call of publish until the webhook has the whole request of its firing. All of it is on the way:
  group commit of the gateway, the step of the rule, outbox, uplink, log of the hub, its worker, plan and outbox of the channel.

  edge_ms_p50, _p99, _max    of the rule on the gateway
  cloud_ms_p50, _p99, _max   of the rule in the hub
  edge_alerts, cloud_alerts  measured
  resolved_edge_ms_p50 …     of the ends
  lost, duplicated           transitions that were not told, or more than once; the bench fails when there is one
  background_readings_per_s  as published
  agent_cpu_share, hub_cpu_share   of one processor, meanwhile

  Prometheus with Alertmanager beside it on the same sensors: \`npm run bench -- alert-rivals\`.
`,
};

interface Probe {
  kind: Kind;
  firedAt: number;
  clearedAt: number;
  told: { state: string; at: number }[];
}

async function run({ seconds, say }: BenchOptions): Promise<Metrics> {
  const system = new System();
  const probes = new Map<string, Probe>();
  const receiver = await receive((sensor, state) => probes.get(sensor)?.told.push({ state, at: performance.now() }));
  let background: LiveProbe | undefined;
  let sensors: MqttClient | undefined;
  try {
    await system.startAll();
    await addChannel(system, receiver);
    for (const kind of KINDS) await applyRule(system, kind);
    const login = { mqttPort: system.brokerPort, password: system.sensorPassword };
    background = await LiveProbe.start({ ...login, readingsPerS: BACKGROUND_PER_S, latest: { url: '', apiKey: '' } });
    sensors = connect(`mqtt://127.0.0.1:${system.brokerPort}`, { username: 'sensor', password: login.password });
    background.publish();
    await publishProbes(sensors, probes, 2 * WARM_UP_PROBES * PROBE_MS);
    const skipped = new Set(probes.keys());
    const [from, published] = [performance.now(), background.published];
    const cpu = [cpuSeconds(system.agent!.pid!), cpuSeconds(system.hub!.pid!)];
    await publishProbes(sensors, probes, seconds * 1_000);
    const tookS = (performance.now() - from) / 1_000;
    const rate = Math.round((background.published - published) / tookS);
    const shares = [system.agent, system.hub].map((of, at) => (cpuSeconds(of!.pid!) - cpu[at]!) / tookS);
    await allTold(probes);
    const measured = [...probes].filter(([sensor]) => !skipped.has(sensor)).map(([, probe]) => probe);
    const metrics: Metrics = { ...figuresOf(measured), ...lossesOf([...probes.values()]) };
    say(
      `edge p50 ${metrics.edge_ms_p50} ms, p99 ${metrics.edge_ms_p99} ms; cloud p50 ${metrics.cloud_ms_p50} ms, p99 ${metrics.cloud_ms_p99} ms`,
    );
    if (metrics.lost! + metrics.duplicated! > 0)
      throw new Error(`lost ${metrics.lost}, duplicated ${metrics.duplicated}`);
    return {
      ...metrics,
      background_readings_per_s: rate,
      agent_cpu_share: rounded(shares[0]!),
      hub_cpu_share: rounded(shares[1]!),
    };
  } finally {
    background?.close();
    sensors?.end(true);
    receiver.closeAllConnections();
    receiver.close();
    await system.stop();
  }
}

/** A webhook that takes everything at once. */
function receive(told: (sensor: string, state: string) => void): Promise<Server> {
  const server = createServer(async (request, response) => {
    const { type, data } = JSON.parse(await bodyOf(request)) as { type: string; data: { sensor: string } };
    told(data.sensor, type);
    response.writeHead(204).end();
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) body += chunk;
  return body;
}

export async function addChannel(system: System, receiver: Server): Promise<void> {
  const { url, apiKey } = JSON.parse(readFileSync(join(system.hubData, 'cli.json'), 'utf8')) as Record<string, string>;
  const hook = {
    name: 'hook',
    kind: 'webhook',
    url: `http://127.0.0.1:${portOf(receiver)}/`,
    policy: { rate: '1000/1s' },
  };
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  const answer = await fetch(`${url}/api/v1/channels`, { method: 'POST', headers, body: JSON.stringify(hook) });
  if (!answer.ok) throw new Error(`the channel was refused: ${await answer.text()}`);
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

export async function applyRule(system: System, kind: Kind): Promise<void> {
  const rule = { name: `over-${kind}`, sensor: `${kind}*`, metric: 'probe', above: 50, severity: 'critical' };
  const file = system.file(`over-${kind}.yaml`, JSON.stringify(rule));
  await system.weir('rule', 'apply', file, '--group', 'plant', '--where', kind);
}

async function publishProbes(sensors: MqttClient, probes: Map<string, Probe>, ms: number): Promise<void> {
  const until = performance.now() + ms;
  for (let due = performance.now(); due < until; due += PROBE_MS) {
    await pause(Math.max(0, due - performance.now()));
    const kind = KINDS[probes.size % KINDS.length]!;
    const sensor = `${kind}${probes.size}`;
    const probe: Probe = { kind, firedAt: performance.now(), clearedAt: Number.NaN, told: [] };
    probes.set(sensor, probe);
    sensors.publish(`plant/${sensor}/probe`, '99', { qos: 1 });
    setTimeout(() => {
      probe.clearedAt = performance.now();
      sensors.publish(`plant/${sensor}/probe`, '1', { qos: 1 });
    }, OVER_MS);
  }
}

async function allTold(probes: Map<string, Probe>): Promise<void> {
  const isTold = ({ told }: Probe) => told.some(({ state }) => state === 'alert.resolved');
  await eventually('the last end', () => [...probes.values()].every(isTold) || undefined, LATE_MS).catch(() => {
    // What is missing is counted.
  });
}

function figuresOf(probes: readonly Probe[]): Metrics {
  const metrics: Metrics = {};
  for (const kind of KINDS) {
    const of = probes.filter((probe) => probe.kind === kind);
    const fired = of.flatMap((probe) => latency(probe, 'alert.firing', probe.firedAt));
    const resolved = of.flatMap((probe) => latency(probe, 'alert.resolved', probe.clearedAt));
    metrics[`${kind}_alerts`] = fired.length;
    metrics[`${kind}_ms_p50`] = rounded(quantile(fired, 0.5));
    metrics[`${kind}_ms_p99`] = rounded(quantile(fired, 0.99));
    metrics[`${kind}_ms_max`] = rounded(quantile(fired, 1));
    metrics[`resolved_${kind}_ms_p50`] = rounded(quantile(resolved, 0.5));
    metrics[`resolved_${kind}_ms_p99`] = rounded(quantile(resolved, 0.99));
  }
  return metrics;
}

function latency({ told }: Probe, state: string, from: number): number[] {
  const found = told.find((each) => each.state === state);
  return found === undefined ? [] : [found.at - from];
}

/** Each is told of twice: that it began, and that it is over. */
function lossesOf(probes: readonly Probe[]): { lost: number; duplicated: number } {
  let [lost, duplicated] = [0, 0];
  for (const { told } of probes) {
    for (const wanted of ['alert.firing', 'alert.resolved']) {
      const count = told.filter(({ state }) => state === wanted).length;
      if (count === 0) lost++;
      else duplicated += count - 1;
    }
  }
  return { lost, duplicated };
}

export function quantile(numbers: readonly number[], share: number): number {
  if (numbers.length === 0) return Number.NaN;
  const rising = numbers.toSorted((a, b) => a - b);
  return rising[Math.max(0, Math.ceil(share * rising.length) - 1)]!;
}

export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
