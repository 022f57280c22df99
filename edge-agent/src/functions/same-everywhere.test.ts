/** The agent's side of: same function, same trace, same outcome. The hub's side has a test of this name, too. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
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
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { TestClock } from '../clock/clock.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { arrivalOf } from '../spool/spool.fixture.ts';
import { Pipeline } from './pipeline.ts';
import { NO_REQUESTS } from './requests.fixture.ts';
import { NO_TRIAL } from './trial.fixture.ts';

const example = (path: string) => fileURLToPath(new URL(`../../../examples/${path}`, import.meta.url));
const GROUP = 7;

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

test.each(['dead-band', 'energy-meter', 'vibration-band', 'cross-check', 'robust-anomaly', 'window-mean'])(
  '%s, by the journal and the pipeline of an agent, makes what weir fn test has in its golden file',
  async (name) => {
    const { bytes: bundle, hash } = await buildFunctionBundle(example(`functions/${name}.ts`));
    const series = { sensor: 'machine1', metric: 'temperature' };
    const readings = readTrace(`${name}.csv`, readFileSync(example(`traces/${name}.csv`)), series);
    const outputs: TraceOutput[] = [];
    const states = new Map<string, string | null>();
    const spool = new HeldSpool();
    const pipeline = new Pipeline(
      {
        spool,
        clock: new TestClock(),
        createHost: (onStatus) => {
          const host = createFoldHost({ device: 'gw1', sandbox, onStatus });
          const step = host.step.bind(host);
          host.step = async (input) => {
            const output = await step(input);
            outputs.push(...outputsOf(output));
            for (const { fold, json } of output.states) states.set(fold, json);
            return output;
          };
          return host;
        },
        createTrialHost: () => createFoldHost({ device: 'gw1', sandbox }),
        requests: NO_REQUESTS,
        commands: { add: () => {} },
        isConnected: () => true,
        onCommitted: () => {},
        onLogs: () => {},
        onUncommitted: () => {},
        onStatus: () => {},
        onFailure: (what, error) => expect.unreachable(`${what}: ${error.message}`),
        log: () => {},
      },
      { uncommittedReadingsMax: 20, handoffReadingsMax: 100, trial: NO_TRIAL },
    );
    onTestFinished(() => pipeline.stop());
    await pipeline.start();
    const kept = [{ name, hash, config: '{}', quarantined: null }];
    spool.ops.stageBundle(hash, bundle);
    await pipeline.deploy({ targetOf: () => kept, hashesNeeded: [] });
    for (let at = 0; at < readings.length; at += GROUP) {
      const group = readings.slice(at, at + GROUP);
      // They arrive as they are measured.
      const arrival = { ...arrivalOf(group), receivedAt: Math.max(...group.map(({ ts }) => ts)) };
      const { id, bytes } = spool.ops.append(arrival);
      pipeline.offer({ id, bytes, columns: arrival.columns!, receivedAt: arrival.receivedAt });
    }
    await vi.waitFor(() => expect(spool.ops.state().position).toBe(Math.ceil(readings.length / GROUP)), 30_000);

    const golden = readFileSync(example(`traces/${name}.golden.jsonl`), 'utf8');
    const state = userState(states.get(name)!);
    expect(compareGolden(golden, goldenOf({ outputs, state }))).toBeUndefined();
    expect(spool.ops.state().states.get(name)).toBe(states.get(name));
  },
  40_000,
);
