import { fileURLToPath } from 'node:url';
import { connectAsync } from 'mqtt';
import { type AgentProcess, startAgent } from './agent-process.ts';
import type { Bench, Metrics } from './bench.ts';

const FUNCTION = fileURLToPath(new URL('./functions/running-mean.ts', import.meta.url));
const MODES = ['every-batch', '50ms', '500ms'] as const;
const RATES = [10, 100, 1_000];
const SENSORS = 10;
const BEAT_MS = 10;
const SETTLE_MS = 1_000;

export const flashWear: Bench = {
  secondsDefault: 4,
  run,
  help: `
flash-wear: what an agent writes to its disk, by durability and rate.

  A real agent without a hub, one function that keeps a mean, ${SENSORS} sensors that publish at QoS 1, each reading in a message of its own.
  --seconds is for each of the ${MODES.length * RATES.length} combinations of durability and readings a second.

  MODE_RATE_syncs_per_min      syncs of the database's log; each makes flash write at least a block
  MODE_RATE_written_mib_per_min  sent to the disk, by /proc/PID/io: 0 where the temporary folder is in memory
  MODE_RATE_acknowledged_per_s   readings acknowledged to sensors in that time

  What a card writes for it is more: a multiple that depends on the card, for each sync of less than its block.
`,
};

async function run({ seconds, say }: Parameters<Bench['run']>[0]): Promise<Metrics> {
  const metrics: Metrics = {};
  for (const mode of MODES) {
    const agent = await startAgent(FUNCTION, `durability: ${mode}\n`);
    try {
      for (const rate of RATES) Object.assign(metrics, await wearOf(agent, mode, rate, seconds, say));
    } finally {
      await agent.kill();
      agent.remove();
    }
  }
  return metrics;
}

async function wearOf(agent: AgentProcess, mode: string, rate: number, seconds: number, say: (line: string) => void) {
  const clients = await Promise.all(Array.from({ length: SENSORS }, () => connect(agent)));
  const before = await figuresOf(agent);
  let acknowledged = 0;
  let owed = 0;
  let next = 0;
  const beat = setInterval(() => {
    for (owed += (rate * BEAT_MS) / 1_000; owed >= 1; owed--) {
      const sensor = next++ % SENSORS;
      const publish = clients[sensor]!.publishAsync(`plant/s${sensor}/m`, String(next % 100), { qos: 1 });
      publish.then(() => acknowledged++).catch(() => {});
    }
  }, BEAT_MS);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  clearInterval(beat);
  const publishedMs = performance.now() - before.at;
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const after = await figuresOf(agent);
  await Promise.all(clients.map((client) => client.endAsync()));
  // What is written a moment later is of the readings of that time; nothing was measured meanwhile.
  const minutes = publishedMs / 60_000;
  const name = `${mode.replace('-', '_')}_${rate}`;
  const figures = {
    [`${name}_syncs_per_min`]: Math.round((after.syncs - before.syncs) / minutes),
    [`${name}_written_mib_per_min`]: Math.round((after.written - before.written) / minutes / 2 ** 20),
    [`${name}_acknowledged_per_s`]: Math.round(acknowledged / seconds),
  };
  say(JSON.stringify(figures));
  return figures;
}

function connect({ port, password }: AgentProcess) {
  return connectAsync({ host: '127.0.0.1', port, username: 'sensor', password });
}

async function figuresOf(agent: AgentProcess): Promise<{ at: number; syncs: number; written: number }> {
  const { storage } = await agent.status();
  return { at: performance.now(), syncs: storage!.figures.syncs, written: agent.writtenBytes() };
}
