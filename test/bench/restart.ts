import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import type { StatusReport } from '@weir/edge-agent';
import { System } from '../support/system.ts';
import { type Bench, type BenchOptions, type Metrics, median } from './bench.ts';
import { rssMb } from './process-figures.ts';
import type { FillOptions } from './spool-filler.ts';

const FULL_BYTES = 2 ** 30;
/** As much as the agent lets wait for functions. */
const UNPASSED_BYTES = 64 * 2 ** 20;
/** A reader that keeps the log from being reset makes it as large as what is written meanwhile. */
const LOG_BYTES = 128 * 2 ** 20;
const STARTS = 3;
const SETTLE_MS = 3_000;
const SAMPLE_MS = 100;

export const restart: Bench = {
  secondsDefault: 60,
  run,
  help: `
restart: how long an agent takes to come up with a buffer of 1 GiB, and what it weighs then.

  A real agent (\`weir-agent run\`) that is enrolled and whose hub is down. Its outbox is filled to 1 GiB by the operations of
  its own spool, in rows of about 4 KiB. A start is timed from the spawn to the line that says
  that it is ready: sensors are taken on from then on. Memory is that of the agent and its sandbox ${SETTLE_MS / 1_000} s later.
  --seconds is without effect: to fill the buffer takes a minute or more.

  empty_ready_s, empty_rss_mb       with an empty buffer; median of ${STARTS} starts, as the next two
  full_ready_s, full_rss_mb         with the full one, after a clean end
  killed_ready_s, killed_rss_mb     after kill -9 in the middle of writing, with ${LOG_BYTES / 2 ** 20} MiB or more in the write-ahead log; one start
  unpassed_ready_s, unpassed_rss_mb after kill -9 with ${UNPASSED_BYTES / 2 ** 20} MiB of the journal not passed by functions; one start
  killed_log_mb, unpassed_rows      what there was to be recovered, and to be read back
  buffer_mb                         what the outbox counts
`,
};

async function run({ say }: BenchOptions): Promise<Metrics> {
  const system = new System();
  const bounds = { outbox: { lanes: { backfill: { bytesMax: '16GiB' } } } };
  system.agentConfig = system.file('agent.yaml', JSON.stringify(bounds));
  try {
    await system.startAll();
    await system.kill('hub');
    await system.kill('agent', 'SIGTERM');
    const empty = await starts(system, 'empty', say);
    const began = performance.now();
    await once(filler({ data: system.agentData, bytes: FULL_BYTES, unpassed: false }), 'exit');
    say(`filled in ${((performance.now() - began) / 1_000).toFixed(0)} s`);
    const full = await starts(system, 'full', say);
    const killed = await killedAt(system, { bytes: LOG_BYTES, unpassed: false }, 'killed', say);
    const unpassed = await killedAt(system, { bytes: UNPASSED_BYTES, unpassed: true }, 'unpassed', say);
    return {
      ...figures('empty', empty),
      ...figures('full', full),
      ...figures('killed', killed),
      ...figures('unpassed', unpassed),
      killed_log_mb: killed.logMb,
      unpassed_rows: unpassed.lagRows,
      buffer_mb: full.bufferMb,
    };
  } finally {
    await system.stop();
  }
}

interface Start {
  readyS: number;
  rssMb: number;
  bufferMb: number;
}

function figures(name: string, { readyS, rssMb }: Start): Metrics {
  return { [`${name}_ready_s`]: Math.round(readyS * 100) / 100, [`${name}_rss_mb`]: Math.round(rssMb) };
}

/** Starts that end cleanly. @returns medians */
async function starts(system: System, name: string, say: BenchOptions['say']): Promise<Start> {
  const all: Start[] = [];
  for (let at = 0; at < STARTS; at++) {
    all.push(await start(system, name, say));
    await system.kill('agent', 'SIGTERM');
  }
  const of = (key: keyof Start) => median(all.map((each) => each[key]));
  return { readyS: of('readyS'), rssMb: of('rssMb'), bufferMb: of('bufferMb') };
}

async function start(system: System, name: string, say: BenchOptions['say']): Promise<Start> {
  const began = performance.now();
  await system.startAgent();
  const readyS = (performance.now() - began) / 1_000;
  const samples: number[] = [];
  for (const until = performance.now() + SETTLE_MS; performance.now() < until; await sleep(SAMPLE_MS)) {
    samples.push(rssMb(system.agent!.pid!));
  }
  const { lanes } = await system.agentStatus<StatusReport>();
  const bufferMb = Math.round(lanes.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20);
  const settled = median(samples.slice(-10));
  say(`${name}: ready after ${readyS.toFixed(2)} s, ${settled.toFixed(0)} MB, with ${bufferMb} MiB in the outbox`);
  return { readyS, rssMb: settled, bufferMb };
}

/** The writer is killed once it has written so much, none of which could leave the log. */
async function killedAt(
  system: System,
  fill: Omit<FillOptions, 'data'>,
  name: string,
  say: BenchOptions['say'],
): Promise<Start & { logMb: number; lagRows: number }> {
  const file = join(system.agentData, 'spool.db');
  const reader = new DatabaseSync(file, { readOnly: true });
  reader.exec('BEGIN');
  reader.prepare('SELECT max(id) FROM journal').get();
  const writer = filler({ data: system.agentData, ...fill, bytes: Number.MAX_SAFE_INTEGER });
  await new Promise<void>((resolve) => {
    writer.on('message', (bytes) => {
      if (typeof bytes === 'number' && bytes >= fill.bytes) resolve();
    });
  });
  writer.kill('SIGKILL');
  await once(writer, 'exit');
  const logMb = Math.round(statSync(`${file}-wal`).size / 2 ** 20);
  // Had it been open at the end of the writer, its own end would see to the log.
  say(`${name}: killed with ${logMb} MiB in the write-ahead log`);
  reader.close();
  const lagRows = unpassedRows(file);
  const outcome = { ...(await start(system, name, say)), logMb, lagRows };
  await system.kill('agent', 'SIGTERM');
  return outcome;
}

function unpassedRows(file: string): number {
  const db = new DatabaseSync(file, { readOnly: true });
  const behind = "SELECT count(*) AS n FROM journal WHERE id > (SELECT value FROM meta WHERE key = 'position')";
  const { n } = db.prepare(behind).get() as { n: number };
  db.close();
  return n;
}

function filler(options: FillOptions): ChildProcess {
  return fork(fileURLToPath(new URL('./spool-filler.ts', import.meta.url)), [JSON.stringify(options)]);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
