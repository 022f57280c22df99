/** The hub's side of: same function, same trace, same outcome. The agent's side has a test of this name, too. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { columnsOf, encodeBatch } from '@weir/protocols';
import {
  buildFunctionBundle,
  compareGolden,
  createFoldHost,
  createSandbox,
  goldenOf,
  outputsOf,
  readTrace,
  type Sandbox,
  type TraceOutput,
  userState,
} from '@weir/runtime';
import pino from 'pino';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { createHubEvents } from '../api/events.ts';
import { systemClock } from '../clock/clock.ts';
import { createMemoryDownlink } from '../downlink/memory.ts';
import { createMemoryLog } from '../log/memory.ts';
import { createMemoryStore } from '../store/memory.ts';
import { UsageCounts } from '../usage/counts.ts';
import { NO_COMMANDS, requestService } from './worker.fixture.ts';
import { createWorkers } from './workers.ts';

const example = (path: string) => fileURLToPath(new URL(`../../../examples/${path}`, import.meta.url));
const BATCH = 33;

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

test.each(['dead-band', 'energy-meter', 'vibration-band', 'cross-check', 'robust-anomaly', 'window-mean'])(
  '%s, by the log and a worker of the hub, makes what weir fn test has in its golden file',
  async (name) => {
    const { bundle, hash } = await buildFunctionBundle(example(`functions/${name}.ts`));
    const series = { sensor: 'machine1', metric: 'temperature' };
    const readings = readTrace(`${name}.csv`, readFileSync(example(`traces/${name}.csv`)), series);
    const outputs: TraceOutput[] = [];
    const states = new Map<string, string | null>();
    const log = createMemoryLog({ partitions: 1 });
    const workers = createWorkers(
      {
        log,
        store: createMemoryStore(),
        fleet: {
          cloudDeployments: async () => ({ revision: 1, deployed: [{ name, bundle, hash, config: {} }] }),
          cloudStatus: async () => {},
          cloudBundle: async () => bundle,
          refused: async (_device, reason) => expect.unreachable(reason),
        },
        downlink: createMemoryDownlink(),
        events: createHubEvents(),
        wakeNotifier: () => {},
        reports: {},
        commands: NO_COMMANDS,
        requests: requestService(),
        usage: { keepMs: 86_400_000, counts: new UsageCounts() },
        makeHost(device, onStatus) {
          const host = createFoldHost({ device, sandbox, onStatus });
          const step = host.step.bind(host);
          host.step = async (input) => {
            const output = await step(input);
            outputs.push(...outputsOf(output));
            for (const { fold, json } of output.states) states.set(fold, json);
            return output;
          };
          return host;
        },
        logger: pino({ level: 'silent' }),
        clock: systemClock,
        random: (count) => new Uint8Array(count),
      },
      {},
    );
    onTestFinished(() => workers.stop());
    for (let seq = 0; seq < readings.length; seq += BATCH) {
      const columns = columnsOf(readings.slice(seq, seq + BATCH));
      const count = columns.index.length;
      const payload = encodeBatch({ kind: 'readings', epoch: 'e1', seq, count, columns });
      // They arrive as they are measured.
      const receivedAt = Math.max(...columns.ts);
      await log.append([{ device: 'gw1', lane: 'live', payload, receivedAt }]);
    }
    await workers.start();
    await vi.waitFor(async () => expect(await workers.lag()).toBe(0), 30_000);

    const golden = readFileSync(example(`traces/${name}.golden.jsonl`), 'utf8');
    const state = userState(states.get(name)!);
    expect(compareGolden(golden, goldenOf({ outputs, state }))).toBeUndefined();
  },
  40_000,
);
