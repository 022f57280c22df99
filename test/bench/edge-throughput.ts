import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type AgentProcess, startAgent } from './agent-process.ts';
import { type Bench, type BenchOptions, type Metrics, median } from './bench.ts';
import type { LoadOptions, LoadOutcome } from './load-generator.ts';

const CONNECTIONS = 50;
const BLOCK = 100;
const WINDOWS = 5;
const WARM_UP_S = 3;
const DRAIN_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

export const edgeThroughput: Bench = {
  secondsDefault: 30,
  run,
  help: `
edge-throughput: how many readings a second the agent takes, processes and commits.

  A real agent process (\`weir-agent run\`) in a temporary folder, with its default limits, without a hub. One function is
  deployed: a running mean of every series, by its handler for whole batches, which emits nothing. A second process publishes from
  ${CONNECTIONS} connections, MQTT QoS 1, one JSON reading of about 50 bytes for each message, up to ${2 * BLOCK} unacknowledged for
  each connection. Both share this machine's processors.

  After ${WARM_UP_S} s of warm-up there are ${WINDOWS} windows. A window is over when every reading that was sent in it is
  acknowledged, was processed by the function, and is committed together with the function's state: its rate is all
  of its readings by all of that time. At the end the agent is killed with SIGKILL and its database is read.

  readings_per_s   median of the windows
  slowest_per_s    the slowest window
  acknowledged     readings for which a PUBACK came, warm-up included
  processed        readings the function's committed state has counted
  committed        readings the outbox has numbered for the hub
  lost             acknowledged, and not found in the function's state or not in the outbox after the kill
  agent_rss_mb     highest resident memory, the agent and its sandbox process together

  The temporary folder is on this machine's disk: on a slow one, or in memory, the figure is another. The kill is that of a
  process; it shows nothing about a power cut.
`,
};

async function run({ seconds, say }: BenchOptions): Promise<Metrics> {
  const agent = await startAgent(fileURLToPath(new URL('./functions/running-mean.ts', import.meta.url)));
  const load = await startLoad({
    port: agent.port,
    username: 'sensor',
    password: agent.password,
    connections: CONNECTIONS,
    block: BLOCK,
  });
  try {
    say(`agent and load generator are up: ${CONNECTIONS} connections`);
    await window(agent, load, WARM_UP_S * 1000, 0);
    const rates: number[] = [];
    let acknowledged = 0;
    let rssMbMax = 0;
    const sampler = setInterval(() => {
      rssMbMax = Math.max(rssMbMax, agent.rssMb());
    }, 250);
    let before = (await agent.status()).accepted;
    for (let i = 1; i <= WINDOWS; i++) {
      const done = await window(agent, load, (seconds * 1000) / WINDOWS, before);
      rates.push(done.readingsPerS);
      acknowledged = done.acknowledged;
      before = done.acknowledged;
      say(
        `window ${i}: ${Math.round(done.readingsPerS)} readings/s, of which ${done.drainMs.toFixed(0)} ms after the last PUBACK`,
      );
    }
    clearInterval(sampler);
    const { lanes } = await agent.status();
    load.kill();
    await agent.kill();
    const { count: processed } = agent.committedState() as { count: number };
    const committed = lanes.reduce((sum, { nextSeq }) => sum + nextSeq, 0);
    return {
      readings_per_s: Math.round(median(rates)),
      slowest_per_s: Math.round(Math.min(...rates)),
      acknowledged,
      processed,
      committed,
      lost: Math.max(0, acknowledged - processed, acknowledged - committed),
      agent_rss_mb: Math.round(rssMbMax),
    };
  } finally {
    load.kill();
    await agent.kill();
    agent.remove();
  }
}

async function startLoad(options: LoadOptions): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL('./load-generator.ts', import.meta.url)), [JSON.stringify(options)]);
  await once(child, 'message');
  return child;
}

/** @param before readings acknowledged before it */
async function window(agent: AgentProcess, load: ChildProcess, runMs: number, before: number) {
  const started = performance.now();
  load.send({ runMs });
  const [{ sent, acknowledged }] = (await once(load, 'message')) as [LoadOutcome];
  const acknowledgedAt = performance.now();
  await drained(agent, acknowledged);
  const ended = performance.now();
  if (sent !== acknowledged) throw new Error(`${sent} readings were sent, only ${acknowledged} acknowledged`);
  return {
    acknowledged,
    readingsPerS: ((acknowledged - before) * 1000) / (ended - started),
    drainMs: ended - acknowledgedAt,
  };
}

/** Until the outbox has numbered every reading: that is done in the transaction that commits the function's state. */
async function drained(agent: AgentProcess, acknowledged: number): Promise<void> {
  const deadline = performance.now() + DRAIN_TIMEOUT_MS;
  while (true) {
    const { lanes } = await agent.status();
    const committed = lanes.reduce((sum, { nextSeq }) => sum + nextSeq, 0);
    if (committed >= acknowledged) return;
    if (performance.now() > deadline)
      throw new Error(`${acknowledged} acknowledged, only ${committed} committed in time`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
