import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import type { StatusReport } from '@weir/edge-agent';
import { FaultyLine } from '../crash/faulty-line.ts';
import { eventually, System } from '../support/system.ts';
import { Backlog, type Publishing } from './backlog.ts';
import type { Bench, BenchOptions, Metrics } from './bench.ts';
import { LiveProbe } from './live-probe.ts';
import { cpuSeconds, rssMb } from './process-figures.ts';

const READINGS = 1_000_000;
/** Of an outage before all that is measured: what is run for the first time is slow, and takes memory once. */
const WARM_UP_READINGS = 200_000;
const SMALL_ROWS_READINGS = 100_000;
const SLOW_READINGS = 200_000;
const SLOW_LIVE_PER_S = 100;
/** Of a function in the hub, for each reading: about a tenth of what the hub takes in without. */
const SLOW_FUNCTION = `import { defineFunction } from '@weir/runtime/author';

export default defineFunction({
  name: 'slow',
  version: '1.0.0',
  timeoutMs: 5_000,
  reading(reading) {
    for (let i = 0, x = reading.ts; i < 4_000; i++) x = (x * 31 + i) % 1_000_003;
  },
});
`;
/** An agent that has had no fresh readings for ten seconds lets a backlog have all of its time. */
const NOTHING_FRESH_MS = 10_500;
/** What sensors with few readings leave: rows of so many, or a few times that where messages come together. */
const SMALL_MESSAGE = { messageReadings: 10, inFlight: 2 };
const LIVE_PER_S = 1_000;
const SETTLE_MS = 1_500;
const DRAIN_TIMEOUT_MS = 300_000;
const SAMPLE_MS = 100;

export const drain: Bench = {
  secondsDefault: 6,
  run,
  help: `
drain: how fast a backlog leaves the agent for the hub, and what that does to fresh readings.

  A real hub and a real agent (\`weir hub\`, \`weir-agent run\`) in a temporary folder, joined by MQTT over TLS, with their
  default limits but for a short pause between attempts to connect, beside each other on this machine with what drives them. No
  functions are deployed.

  Sensors publish ${LIVE_PER_S} readings a second, each a message of its own at QoS 1. Meanwhile somebody asks the hub for the
  newest readings of the device again and again: a reading counts as stored when it is in an answer that has come, so the
  latency is from its publish to there, and is never less than the time of one answer. There is one short outage to begin with, of
  which nothing is measured: code that is run for the first time is slow, and memory grows to its usual size. Then fresh readings are measured with nothing else
  for --seconds. Then the line to the hub is cut; sensors publish ${READINGS.toLocaleString('en')} readings in CBOR messages of 500, which the agent journals and keeps. The line
  is mended, and from the moment at which the uplink is up there are fresh readings again, and the backlog drains
  beside them. It is drained when the hub has stored the last of it and the agent has nothing left of it. Then the same once more
  ten seconds after the last fresh reading and without any, for ${SMALL_ROWS_READINGS.toLocaleString('en')} readings in messages of ${SMALL_MESSAGE.messageReadings}, as they are left where little is measured at a time; and once more with
  ${SLOW_READINGS.toLocaleString('en')} readings, ${SLOW_LIVE_PER_S} fresh ones a second, and a function in the hub that is slow to take them. At the end both are stopped and the
  hub's database is read.

  drained_readings_per_s   the backlog by the time it took
  drain_s                  that time
  live_ms_p50_idle …       latency of fresh readings before
  live_ms_p50_draining …   and while the backlog drained
  small_rows_drained_readings_per_s   of the backlog in small rows
  slow_function_readings_per_s, slow_function_live_ms_p50 …   of the backlog beside that function, and what it does to fresh readings
  lost, duplicated         readings of either kind that the hub has not, or has more than once
  agent_rss_mb_growth      highest resident memory of the agent and its sandbox while it drained, less the highest before that
  hub_rss_mb               highest resident memory of the hub while it drained
  agent_cpu_s, hub_cpu_s   processor time of either for the drain
`,
};

async function run({ seconds, say }: BenchOptions): Promise<Metrics> {
  const system = new System();
  system.agentConfig = system.file('agent.yaml', 'uplink:\n  backoffBase: 50ms\n  backoffCap: 200ms\n');
  let target = 0;
  const line = new FaultyLine(() => target);
  system.endpoint = `127.0.0.1:${await line.listen()}`;
  try {
    await system.startAll();
    target = system.hubPorts.mqtt;
    await up(system);
    return await measure(system, line, seconds * 1_000, say);
  } finally {
    await system.stop();
    line.close();
  }
}

async function measure(system: System, line: FaultyLine, idleMs: number, say: BenchOptions['say']): Promise<Metrics> {
  const backlog = new Backlog(WARM_UP_READINGS + READINGS + SMALL_ROWS_READINGS + SLOW_READINGS);
  const outage = (readings: number, how: Outage = {}) => cutOff(system, line, backlog, readings, how);
  const probe = await LiveProbe.start({
    mqttPort: system.brokerPort,
    password: system.sensorPassword,
    readingsPerS: LIVE_PER_S,
    latest: latestOf(system),
  });
  try {
    const peakBefore = sampled(() => rssMb(system.agent!.pid!));
    await outage(WARM_UP_READINGS);
    await emptied(system);
    const idle = await idlePhase(system, probe, idleMs);
    say(`idle: p50 ${idle.p50.toFixed(1)} ms, p99 ${idle.p99.toFixed(1)} ms`);
    const waiting = await outage(READINGS);
    say(`backlog: ${waiting.items} readings, ${(waiting.bytes / 2 ** 20).toFixed(1)} MiB`);
    const rssBefore = peakBefore();
    const drained = await drainPhase(system, probe);
    say(
      `drained in ${drained.seconds.toFixed(2)} s; live p50 ${drained.p50.toFixed(1)} ms, p99 ${drained.p99.toFixed(1)} ms`,
    );
    const small = await outage(SMALL_ROWS_READINGS, { ...SMALL_MESSAGE, notBefore: drained.until + NOTHING_FRESH_MS });
    const smallSeconds = ((await emptied(system)) - (await up(system))) / 1_000;
    say(`${small.items} readings in small rows drained in ${smallSeconds.toFixed(2)} s`);
    const slow = await slowPhase(system, line, backlog, probe);
    say(`beside a slow function: live p50 ${slow.p50.toFixed(0)} ms, p99 ${slow.p99.toFixed(0)} ms`);
    await system.kill('agent', 'SIGTERM');
    await system.kill('hub', 'SIGTERM');
    const found = backlog.compare(join(system.hubData, 'store.db'), 'gw1', probe.published);
    return {
      drained_readings_per_s: Math.round(READINGS / drained.seconds),
      drain_s: round(drained.seconds),
      small_rows_drained_readings_per_s: Math.round(SMALL_ROWS_READINGS / smallSeconds),
      live_ms_p50_idle: round(idle.p50),
      live_ms_p99_idle: round(idle.p99),
      live_ms_p50_draining: round(drained.p50),
      live_ms_p99_draining: round(drained.p99),
      live_readings_draining: drained.samples,
      slow_function_readings_per_s: Math.round(SLOW_READINGS / slow.seconds),
      slow_function_live_ms_p50: round(slow.p50),
      slow_function_live_ms_p99: round(slow.p99),
      ...found,
      agent_rss_mb_growth: Math.round(drained.agentRssMb - rssBefore),
      agent_rss_mb: Math.round(drained.agentRssMb),
      hub_rss_mb: Math.round(drained.hubRssMb),
      agent_cpu_s: round(drained.agentCpuS),
      hub_cpu_s: round(drained.hubCpuS),
      backlog_bytes_per_reading: round(waiting.bytes / READINGS),
    };
  } finally {
    probe.close();
  }
}

async function idlePhase(system: System, probe: LiveProbe, idleMs: number) {
  probe.publish();
  probe.ask();
  // Code that is run for the first time is slow.
  await pause(SETTLE_MS);
  const from = probe.published;
  await pause(idleMs);
  const to = probe.published;
  await probe.pause();
  await stored(system, WARM_UP_READINGS + probe.published);
  await pause(50);
  await probe.stopAsking();
  return percentiles(probe.latenciesMs(from, to));
}

/** `notBefore`: when the line is mended at the earliest, ms since epoch. */
type Outage = Partial<Publishing> & { notBefore?: number };

/** The line is sound again when all has been taken in. @returns what waits */
async function cutOff(
  system: System,
  line: FaultyLine,
  backlog: Backlog,
  readings: number,
  { notBefore = 0, ...how }: Outage,
): Promise<LaneStatus> {
  line.become('cut');
  await eventually('the uplink is down', async () => (await statusOf(system)).uplink.state !== 'up' || undefined);
  await backlog.publish(readings, { mqttPort: system.brokerPort, password: system.sensorPassword, ...how });
  const waiting = laneOf(await statusOf(system), 'backfill');
  await pause(Math.max(0, notBefore - Date.now()));
  line.become('sound');
  return waiting;
}

/** @returns when the agent had nothing left of the backlog, ms since epoch */
async function emptied(system: System): Promise<number> {
  await eventually(
    'the backlog is drained',
    async () => laneOf(await statusOf(system), 'backfill').items === 0 || undefined,
    DRAIN_TIMEOUT_MS,
  );
  return Date.now();
}

async function drainPhase(system: System, probe: LiveProbe) {
  const before = probe.published;
  const agentCpu = cpuSeconds(system.agent!.pid!);
  const hubCpu = cpuSeconds(system.hub!.pid!);
  const agentPeak = sampled(() => rssMb(system.agent!.pid!));
  const hubPeak = sampled(() => rssMb(system.hub!.pid!));
  const since = await up(system);
  probe.publish();
  probe.ask();
  await emptied(system);
  await stored(system, WARM_UP_READINGS + before + READINGS);
  const seconds = (Date.now() - since) / 1_000;
  const to = probe.published;
  const figures = {
    seconds,
    agentRssMb: agentPeak(),
    hubRssMb: hubPeak(),
    agentCpuS: cpuSeconds(system.agent!.pid!) - agentCpu,
    hubCpuS: cpuSeconds(system.hub!.pid!) - hubCpu,
  };
  await probe.pause();
  await stored(system, WARM_UP_READINGS + READINGS + probe.published);
  await pause(50);
  await probe.stopAsking();
  const latencies = probe.latenciesMs(before, to);
  return { ...figures, ...percentiles(latencies), samples: latencies.length, until: Date.now() };
}

/** A backlog that a function in the hub is slow to take, and fresh readings beside it. */
async function slowPhase(system: System, line: FaultyLine, backlog: Backlog, probe: LiveProbe) {
  await system.weir('fn', 'deploy', system.file('slow.ts', SLOW_FUNCTION), '--group', 'plant', '--where', 'cloud');
  await cutOff(system, line, backlog, SLOW_READINGS, {});
  const before = probe.published;
  const since = await up(system);
  probe.publish(SLOW_LIVE_PER_S);
  probe.ask();
  await emptied(system);
  await stored(system, WARM_UP_READINGS + READINGS + SMALL_ROWS_READINGS + SLOW_READINGS + before);
  const seconds = (Date.now() - since) / 1_000;
  const to = probe.published;
  await probe.pause();
  await stored(system, WARM_UP_READINGS + READINGS + SMALL_ROWS_READINGS + SLOW_READINGS + probe.published);
  await pause(50);
  await probe.stopAsking();
  return { seconds, ...percentiles(probe.latenciesMs(before, to)) };
}

/** @returns since when the uplink is up, ms since epoch */
function up(system: System): Promise<number> {
  return eventually('the uplink is up', async () => {
    const { uplink } = await statusOf(system);
    return uplink.state === 'up' ? uplink.since : undefined;
  });
}

/** Until the hub has stored so many. */
async function stored(system: System, readings: number): Promise<void> {
  const { origin } = new URL(latestOf(system).url);
  await eventually(
    `${readings} readings stored`,
    async () => {
      const { apiKey } = latestOf(system);
      const metrics = await ask(`${origin}/metrics`, apiKey);
      const count = Number(/^weir_worker_readings_total (\d+)$/m.exec(metrics)?.[1] ?? 0);
      if (count < readings) throw new Error(`${count} are`);
      return true;
    },
    DRAIN_TIMEOUT_MS,
  );
}

function latestOf({ hubData }: System): { url: string; apiKey: string } {
  const { url, apiKey } = JSON.parse(readFileSync(join(hubData, 'cli.json'), 'utf8'));
  return { url: `${url}/api/v1/devices/gw1/latest`, apiKey };
}

function ask(url: string, apiKey: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { authorization: `Bearer ${apiKey}` } }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve(text);
    }).on('error', reject);
  });
}

function statusOf({ agentData }: System): Promise<StatusReport> {
  return new Promise((resolve, reject) => {
    get({ socketPath: join(agentData, 'agent.sock'), path: '/status' }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve(JSON.parse(text) as StatusReport);
    }).on('error', reject);
  });
}

type LaneStatus = StatusReport['lanes'][number];

function laneOf({ lanes }: StatusReport, lane: string): LaneStatus {
  return lanes.find((each) => each.lane === lane)!;
}

/** @returns ends it and gives the highest */
function sampled(read: () => number): () => number {
  let peak = read();
  const timer = setInterval(() => {
    peak = Math.max(peak, read());
  }, SAMPLE_MS);
  return () => {
    clearInterval(timer);
    return Math.max(peak, read());
  };
}

function percentiles(sorted: readonly number[]): { p50: number; p99: number } {
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

function round(number: number): number {
  return Math.round(number * 100) / 100;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
