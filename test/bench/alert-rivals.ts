/** The same sensors watched by Weir and by Prometheus with Alertmanager, at the same time. */
import { createServer, type Server } from 'node:http';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type MqttClient } from 'mqtt';
import { ALERTMANAGER } from '../support/alertmanager.ts';
import { PROMETHEUS, type PrometheusPace, type RunningPrometheus, startPrometheus } from '../support/prometheus.ts';
import { eventually, System } from '../support/system.ts';
import { isInstalled } from '../support/tools.ts';
import { addChannel, applyRule, BACKGROUND_PER_S, bodyOf, KINDS, portOf, quantile, rounded } from './alert-latency.ts';
import type { Bench, BenchOptions, Metrics } from './bench.ts';
import { LiveProbe } from './live-probe.ts';
import { cpuSeconds, rssMb } from './process-figures.ts';

const PROBE_MS = 250;
const WARM_UP_PROBES = 20;
/** A scrape, an evaluation and a group's wait of the defaults, and what is lost between them. */
const DEFAULTS_MS = 60_000 + 60_000 + 30_000 + 20_000;
const ENDS_MS = 30_000;

/** Whoever is told. Ends of the defaults are not waited for: an interval of a group is five minutes. */
const PACES: Record<'prometheus_default' | 'prometheus_tight', PrometheusPace> = {
  prometheus_default: {},
  prometheus_tight: { scrape: '1s', evaluate: '1s', groupWait: '0s', groupInterval: '1s' },
};
const PARTIES = ['weir', 'prometheus_default', 'prometheus_tight'] as const;
type Party = (typeof PARTIES)[number];

export const alertRivals: Bench = {
  secondsDefault: 60,
  run,
  help: `
alert-rivals: from a sensor that goes over a level until a webhook is told, by Weir and by Prometheus with Alertmanager.

  Needs Debian's packages prometheus and prometheus-alertmanager. A real hub and a real agent as in alert-latency, two Prometheus with
  an Alertmanager each, and one receiver run at the same time on this machine, all of them told of the same sensors at the same moment: by
  a publish over MQTT, and by an exporter that both Prometheus scrape. One sensor after another goes over the level, one each
  ${PROBE_MS} ms for --seconds, and stays there until all have been told or too much time has gone by; then all go under it. Beside them ${BACKGROUND_PER_S}
  readings a second are published; an exporter shows the last of each sensor, however many there were.

  Every alert is a group of its own at Alertmanager, so that none waits for another. Weir's rules run on the gateway and in the hub in turns.

  weir_…                 as it is
  prometheus_default_…   nothing set: scraped and evaluated each minute, a group waits for 30 s
  prometheus_tight_…     scraped and evaluated each second, a group waits for nothing, group_interval 1s: as fast as it is commonly run
  …_ms_p50, _p99, _max   of the firings; …_told of …_probes
  …_ends_ms_p50, _p99    of the ends; not of the default, which waits for five minutes
  …_cpu_share            of one processor, while sensors went over; of Weir agent and hub together with their 1,000 readings a second
  …_rss_mb               at the end
  tight_over_weir_p50, default_over_weir_p50   how many times as long

  Takes four minutes, most of which is waiting for the defaults.
`,
};

interface Probe {
  firedAt: number;
  clearedAt: number;
  told: Map<string, number>;
}

interface Running {
  system: System;
  receiver: Server;
  exporter: Server;
  prometheus: Map<string, RunningPrometheus>;
  background: LiveProbe | undefined;
  sensors: MqttClient | undefined;
}

async function run({ seconds, say }: BenchOptions): Promise<Metrics> {
  for (const tool of [PROMETHEUS, ALERTMANAGER]) {
    if (!isInstalled(tool))
      throw new Error(`${tool} is not on this machine: apt-get install ${PROMETHEUS} ${ALERTMANAGER}`);
  }
  const probes = new Map<string, Probe>();
  const running: Running = {
    system: new System(),
    receiver: await receive(probes),
    exporter: await exportSensors(probes),
    prometheus: new Map(),
    background: undefined,
    sensors: undefined,
  };
  try {
    await startAll(running);
    return await measured(running, probes, seconds, say);
  } finally {
    await stopAll(running);
  }
}

async function startAll(running: Running): Promise<void> {
  const { system, receiver, exporter, prometheus } = running;
  await system.startAll();
  await addChannel(system, receiver);
  for (const kind of KINDS) await applyRule(system, kind);
  for (const [party, pace] of Object.entries(PACES)) {
    const webhook = `http://127.0.0.1:${portOf(receiver)}/${party}`;
    const target = `127.0.0.1:${portOf(exporter)}`;
    const options = { target, expression: 'probe > 50', webhook, pace };
    prometheus.set(party, await startPrometheus(join(system.folder, party), options));
  }
  const login = { mqttPort: system.brokerPort, password: system.sensorPassword };
  running.background = await LiveProbe.start({
    ...login,
    readingsPerS: BACKGROUND_PER_S,
    latest: { url: '', apiKey: '' },
  });
  running.sensors = connect(`mqtt://127.0.0.1:${system.brokerPort}`, { username: 'sensor', password: login.password });
  running.background.publish();
}

async function stopAll({ system, receiver, exporter, prometheus, background, sensors }: Running): Promise<void> {
  background?.close();
  sensors?.end(true);
  for (const each of prometheus.values()) await each.stop();
  for (const server of [receiver, exporter]) {
    server.closeAllConnections();
    server.close();
  }
  await system.stop();
}

async function measured(
  running: Running,
  probes: Map<string, Probe>,
  seconds: number,
  say: BenchOptions['say'],
): Promise<Metrics> {
  const sensors = running.sensors!;
  await goOver(sensors, probes, WARM_UP_PROBES * PROBE_MS);
  const skipped = new Set(probes.keys());
  const [cpu, from] = [cpuOf(running), performance.now()];
  await goOver(sensors, probes, seconds * 1_000);
  const tookS = (performance.now() - from) / 1_000;
  const after = cpuOf(running);
  const all = [...probes.values()];
  say(`${all.length} sensors are over the level; up to ${DEFAULTS_MS / 1_000} s until all have been told`);
  const areAllTold = () => all.every(({ told }) => PARTIES.every((party) => told.has(`${party} firing`))) || undefined;
  await eventually('all to be told', areAllTold, DEFAULTS_MS).catch(() => {
    // What is missing is counted.
  });
  goUnder(sensors, probes);
  const quick = PARTIES.filter((party) => party !== 'prometheus_default');
  const areAllOver = () => all.every(({ told }) => quick.every((party) => told.has(`${party} resolved`))) || undefined;
  await eventually('all ends to be told', areAllOver, ENDS_MS).catch(() => {
    // So here.
  });
  const metrics: Metrics = { cpus: availableParallelism() };
  const of = [...probes].filter(([sensor]) => !skipped.has(sensor)).map(([, probe]) => probe);
  for (const party of PARTIES) {
    Object.assign(metrics, figuresOf(party, of), {
      [`${party}_cpu_share`]: rounded((after[party] - cpu[party]) / tookS),
      [`${party}_rss_mb`]: Math.round(pidsOf(running, party).reduce((sum, pid) => sum + rssMb(pid), 0)),
    });
    say(`${party}: p50 ${metrics[`${party}_ms_p50`]} ms, p99 ${metrics[`${party}_ms_p99`]} ms`);
  }
  metrics.tight_over_weir_p50 = rounded(metrics.prometheus_tight_ms_p50! / metrics.weir_ms_p50!);
  metrics.default_over_weir_p50 = rounded(metrics.prometheus_default_ms_p50! / metrics.weir_ms_p50!);
  return metrics;
}

function figuresOf(party: Party, probes: readonly Probe[]): Metrics {
  const fired = probes.flatMap(({ told, firedAt }) => since(told.get(`${party} firing`), firedAt));
  const metrics: Metrics = {
    [`${party}_probes`]: probes.length,
    [`${party}_told`]: fired.length,
    [`${party}_ms_p50`]: rounded(quantile(fired, 0.5)),
    [`${party}_ms_p99`]: rounded(quantile(fired, 0.99)),
    [`${party}_ms_max`]: rounded(quantile(fired, 1)),
  };
  if (party === 'prometheus_default') return metrics;
  const ended = probes.flatMap(({ told, clearedAt }) => since(told.get(`${party} resolved`), clearedAt));
  metrics[`${party}_ends_ms_p50`] = rounded(quantile(ended, 0.5));
  metrics[`${party}_ends_ms_p99`] = rounded(quantile(ended, 0.99));
  return metrics;
}

function since(at: number | undefined, from: number): number[] {
  return at === undefined ? [] : [at - from];
}

async function goOver(sensors: MqttClient, probes: Map<string, Probe>, ms: number): Promise<void> {
  const until = performance.now() + ms;
  for (let due = performance.now(); due < until; due += PROBE_MS) {
    await pause(Math.max(0, due - performance.now()));
    const sensor = `${KINDS[probes.size % KINDS.length]!}${probes.size}`;
    probes.set(sensor, { firedAt: performance.now(), clearedAt: Number.NaN, told: new Map() });
    sensors.publish(`plant/${sensor}/probe`, '99', { qos: 1 });
  }
}

function goUnder(sensors: MqttClient, probes: Map<string, Probe>): void {
  for (const [sensor, probe] of probes) {
    probe.clearedAt = performance.now();
    sensors.publish(`plant/${sensor}/probe`, '1', { qos: 1 });
  }
}

function pidsOf({ system, prometheus }: Running, party: Party): number[] {
  return party === 'weir' ? [system.agent!.pid!, system.hub!.pid!] : prometheus.get(party)!.pids;
}

function cpuOf(running: Running): Record<Party, number> {
  const of = (party: Party) => pidsOf(running, party).reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  return Object.fromEntries(PARTIES.map((party) => [party, of(party)])) as Record<Party, number>;
}

/** One receiver for all: what it takes is the same for each. */
function receive(probes: ReadonlyMap<string, Probe>): Promise<Server> {
  const note = (party: string, sensor: string | undefined, status: string, at: number) => {
    const told = probes.get(sensor ?? '')?.told;
    const key = `${party} ${status}`;
    if (told !== undefined && !told.has(key)) told.set(key, at);
  };
  return listening(
    createServer(async (request, response) => {
      const body = JSON.parse(await bodyOf(request));
      const at = performance.now();
      response.writeHead(204).end();
      const party = request.url!.slice(1);
      if (party === '') note('weir', body.data.sensor, body.data.state, at);
      else for (const { labels, status } of body.alerts) note(party, labels.sensor, status, at);
    }),
  );
}

/** Sensors as Prometheus sees them: each with its last value. */
function exportSensors(probes: ReadonlyMap<string, Probe>): Promise<Server> {
  return listening(
    createServer((_request, response) => {
      const lines = [...probes].map(([sensor, { clearedAt }]) => `probe{sensor="${sensor}"} ${clearedAt > 0 ? 1 : 99}`);
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(`${lines.join('\n')}\n`);
    }),
  );
}

function listening(server: Server): Promise<Server> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}
