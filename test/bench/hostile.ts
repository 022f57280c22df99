import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { columnsOf } from '@weir/protocols';
import { createSandbox, type Sandbox } from '@weir/runtime';
import { HOSTILE_PROGRAMS, Neighbour, shownOutcome } from '@weir/runtime/hostile';
import { type Bench, type BenchOptions, type Metrics, median } from './bench.ts';
import { MemorySampler } from './memory-sampler.ts';

const RSS_CAP_MB = 256;
const TIMEOUT_MS = 200;
const STEPS = 3;

export const hostile: Bench = {
  secondsDefault: 45,
  run,
  help: `
hostile: what hostile functions can do to the process that runs them and to their neighbours.

  Each program of the battery (${HOSTILE_PROGRAMS.length} of them) takes up to ${STEPS} steps in one sandbox process, with a time limit of ${TIMEOUT_MS} ms, 64 MiB
  of heap and a cap of ${RSS_CAP_MB} MiB for the process, while a neighbour in the same process counts its own steps. The
  battery is repeated until the time is over, at least once.

  programs             in the battery
  unexpected           programs that ended in a way that is not listed for them
  neighbour_lost       steps of the neighbour that failed, were lost or were counted twice
  kills                sandbox processes that had to be replaced
  recovery_ms_p50      from the end of a process to the neighbour's next result from the next one
  recovery_ms_max
  parent_stall_ms_p99  delay of this process's event loop
  parent_stall_ms_max
  idle_stall_ms_max    the same of a process beside it that does next to nothing: what the machine adds
  sandbox_peak_mb      highest resident memory of a sandbox process, looked at every 2 ms from a process of its own
  sandbox_cap_mb       what is configured

  Recovery ends with a result, so it contains the loading of the neighbour, its step, and the start of a process where no
  spare one stands by: at the first kill in a minute, and where two follow at once.
`,
};

async function run({ seconds, say }: BenchOptions): Promise<Metrics> {
  const recoveries: number[] = [];
  let killedAt: number | undefined;
  const sandbox = createSandbox({
    rssBytesMax: RSS_CAP_MB * 2 ** 20,
    log: (_level, message) => {
      if (message.startsWith('the sandbox process was ended')) killedAt ??= performance.now();
    },
  });
  await sandbox.start();
  const sampler = await MemorySampler.start(() => sandbox.pids);
  const neighbour = new Neighbour(sandbox, 'bench');
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let unexpected = 0;
  let lost = 0;
  let running = true;
  const count = async () => {
    while (running) {
      await neighbour.count(1).catch((error: Error) => {
        lost++;
        say(error.message);
      });
      if (killedAt !== undefined) {
        recoveries.push(performance.now() - killedAt);
        killedAt = undefined;
      }
    }
  };
  await neighbour.count(20);
  delay.enable();
  const counting = count();
  const deadline = performance.now() + seconds * 1_000;
  let rounds = 0;
  do {
    for (const program of HOSTILE_PROGRAMS) {
      if (rounds > 0 && performance.now() > deadline) break;
      const { name, expected } = program;
      const kinds = await attack(sandbox, program);
      const strange = kinds.filter((kind) => !expected.test(kind));
      if (strange.length > 0) {
        unexpected++;
        say(`${name}: ${strange.join(', ')}`);
      }
    }
    rounds++;
    say(`round ${rounds}: ${recoveries.length} kills`);
  } while (performance.now() < deadline);
  running = false;
  await counting;
  delay.disable();
  const { peakMb, stallMsMax } = await sampler.stop();
  await sandbox.stop();
  return {
    programs: HOSTILE_PROGRAMS.length,
    unexpected,
    neighbour_lost: lost,
    kills: recoveries.length,
    recovery_ms_p50: Math.round(median(recoveries)),
    recovery_ms_max: Math.round(Math.max(0, ...recoveries)),
    parent_stall_ms_p99: round(delay.percentile(99) / 1e6),
    parent_stall_ms_max: round(delay.max / 1e6),
    idle_stall_ms_max: round(stallMsMax),
    sandbox_peak_mb: Math.round(peakMb),
    sandbox_cap_mb: RSS_CAP_MB,
  };
}

const columns = columnsOf([{ sensor: 's', metric: 'm', value: 1, ts: 5_000 }]);

async function attack(sandbox: Sandbox, { name, code }: { name: string; code: string }): Promise<string[]> {
  const unit = { key: name, code, config: '{}', timeoutMs: TIMEOUT_MS, memoryMb: 64 };
  const kinds: string[] = [];
  for (let revision = 0; revision < STEPS; revision++) {
    const request = { instance: 'd', revision, states: [], device: 'd', seed: 7, receivedAt: 0, columns };
    kinds.push(shownOutcome(await sandbox.step(unit, request)));
    if (kinds.at(-1) !== 'returned' && kinds.at(-1) !== 'failed') break;
  }
  sandbox.drop(unit.key);
  return kinds;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
