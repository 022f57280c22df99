import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { eventually, System } from '../support/system.ts';
import type { Bench, BenchOptions, Metrics } from './bench.ts';
import { enrolOffline } from './idle-devices.ts';
import { cpuSeconds, rssMb } from './process-figures.ts';

const DEVICES = 5_000;
/** What is left of a storm of handshakes is not the cost of being connected. */
const SETTLE_MS = 5_000;
/** Other work on the machine makes it slow; on a quiet one it is about ten seconds. */
const UP_MS_MAX = 400_000;

export const connections: Bench = {
  secondsDefault: 10,
  run,
  help: `
connections: what devices cost that are connected and have nothing to say.

  A real hub (\`weir hub\`) in a temporary folder with its default limits but that of connects from one address, in which ${DEVICES} devices are enrolled; then each of them
  connects by MQTT over TLS with a certificate of its own, from the hub's own CA, subscribes to what an agent subscribes to, and
  keeps its connection alive every 30 s as agents do. They are sockets in one other process, and connect 64 at a time. When all
  are there and the hub has had ${SETTLE_MS / 1_000} s to settle, it is looked at for --seconds.

  connections          that the hub counts as connected at the end
  hub_rss_mb           of the hub and its processes, with all of them
  hub_cpu_percent      of one core, over --seconds of keeping alive
  hub_kb_per_connection  what the hub has grown by since before the first, for each
  connects_per_s       handshake, CONNECT and SUBSCRIBE, both sides on this machine
  hub_cpu_ms_per_connect  what the hub's processor did for each of them, until it was quiet again
  ping_ms_p50, _p99    from PINGREQ to PINGRESP, as devices see it
  lost                 connections that ended by themselves; none is expected
`,
};

interface Figures {
  connected: number;
  lost: number;
  pingsMs: number[];
  tookMs: number;
}

async function run({ seconds, say }: BenchOptions): Promise<Metrics> {
  const system = new System();
  let devices: ChildProcess | undefined;
  try {
    const file = join(system.folder, 'devices.json');
    const enrolled = await enrolOffline(system.hubData, DEVICES);
    writeFileSync(file, JSON.stringify(enrolled), { mode: 0o600 });
    say(`${DEVICES} devices are enrolled`);
    // From one address, and none of them is to wait.
    system.hubConfig = system.file('hub.yaml', `front: { addressConnectsBurst: ${DEVICES * 2} }\n`);
    await system.startHub();
    const pid = system.hub!.pid!;
    await quiet(pid);
    const rssBefore = rssMb(pid);
    const cpuAtFirst = cpuSeconds(pid);
    devices = spawn(process.execPath, [fileURLToPath(new URL('idle-devices.ts', import.meta.url)), file], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, WEIR_BENCH_PORT: `${system.hubPorts.mqtt}` },
    });
    const [up] = (await Promise.race([once(devices, 'message'), failed(devices)])) as [Figures];
    say(`${up.connected} are connected after ${Math.round(up.tookMs)} ms`);
    await quiet(pid);
    const connectCpu = cpuSeconds(pid) - cpuAtFirst;
    const cpuBefore = cpuSeconds(pid);
    const from = performance.now();
    await sleep(seconds * 1_000);
    const cpu = (cpuSeconds(pid) - cpuBefore) / ((performance.now() - from) / 1_000);
    const rss = rssMb(pid);
    devices.send('figures');
    const [end] = (await once(devices, 'message')) as [Figures];
    const pings = end.pingsMs.toSorted((a, b) => a - b);
    return {
      connections: await connectedAt(system),
      hub_rss_mb: Math.round(rss),
      hub_cpu_percent: Math.round(cpu * 1_000) / 10,
      hub_kb_per_connection: Math.round(((rss - rssBefore) * 1_024) / DEVICES),
      connects_per_s: Math.round(DEVICES / (up.tookMs / 1_000)),
      hub_cpu_ms_per_connect: round((connectCpu / DEVICES) * 1_000),
      // None falls into a short run: agents ping once in a minute.
      ...(pings.length > 0 && {
        ping_ms_p50: round(pings[Math.floor(pings.length / 2)]),
        ping_ms_p99: round(pings[Math.floor(pings.length * 0.99)]),
      }),
      lost: end.lost,
    };
  } finally {
    devices?.kill('SIGKILL');
    await system.stop();
  }
}

/** Work that a start or a storm has left is done when the hub hardly uses the processor. */
async function quiet(pid: number): Promise<void> {
  const deadline = performance.now() + SETTLE_MS * 3;
  for (let before = cpuSeconds(pid); performance.now() < deadline; ) {
    await sleep(1_000);
    const now = cpuSeconds(pid);
    if (now - before < 0.15) return;
    before = now;
  }
}

async function connectedAt(system: System): Promise<number> {
  const text = await eventually('the metrics of the hub', () => system.metrics());
  return Number(/^weir_front_connections (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}

async function failed(devices: ChildProcess): Promise<never> {
  const late = sleep(UP_MS_MAX).then(() => 'they did not all connect in time');
  const why = await Promise.race([once(devices, 'exit').then(([code]) => `their process ended with ${code}`), late]);
  throw new Error(`the idle devices: ${why}`);
}

function round(ms: number | undefined): number {
  return Math.round((ms ?? Number.NaN) * 100) / 100;
}
