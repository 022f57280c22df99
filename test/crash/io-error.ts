/** The disk fails under one side: calls to it end with an error for a while, as those to a worn card do. */

import { faultsOf } from './ledger.ts';
import { Plant, type Side } from './plant.ts';
import { recovery, restarted } from './recovery.ts';
import { figuresOf, type Outcome, pause, type Scenario, type ScenarioOptions } from './scenario.ts';
import { FailingCalls, type Failure, injectionUnavailable } from './syscalls.ts';

type Kind = Pick<Failure, 'calls' | 'error'> & { name: string };

const KINDS: readonly Kind[] = [
  { name: 'sync fails', calls: ['fsync', 'fdatasync'], error: 'EIO' },
  { name: 'write fails', calls: ['pwrite64'], error: 'EIO' },
  { name: 'read-only', calls: ['pwrite64', 'ftruncate', 'fallocate'], error: 'EROFS' },
];
const BEFORE_MS = 1_000;
const FAILING_MS = { short: 1_500, full: 10_000 };

export const agentIoError = ioError('agent');
export const hubIoError = ioError('hub');

function ioError(side: Side): Scenario {
  return {
    about: `fsync and writes of the ${side === 'hub' ? 'hub' : 'gateway'} fail for a while, by strace`,
    unavailable: injectionUnavailable,
    run: (options) => run(side, options),
  };
}

async function run(side: Side, options: ScenarioOptions): Promise<Outcome> {
  const { size, say, signal } = options;
  const plant = await Plant.start({ sensors: 4, perSecond: 100 });
  try {
    const pid = plant.pid(side);
    const figures: Record<string, number> = {};
    plant.load();
    for (const { name, calls, error } of KINDS) {
      await pause(BEFORE_MS, signal);
      const files = plant.databases(side).flatMap((file) => [file, `${file}-wal`]);
      const failing = await FailingCalls.attach(pid, { calls, error, files });
      try {
        await pause(FAILING_MS[size], signal);
      } finally {
        await failing.detach();
      }
      const recoveredS = await recovery(plant, side);
      say(`${name}: ${failing.failed} calls failed; at work again after ${recoveredS} s`);
      figures[`${name.replaceAll(/\W/g, '_')}_calls_failed`] = failing.failed;
    }
    await plant.rest();
    const books = await plant.settle();
    const none = Object.entries(figures).filter(([, count]) => count === 0);
    const faults = [...faultsOf(books), ...restarted(plant, side, pid), ...none.map(([name]) => `${name} is 0`)];
    return { figures: { ...figures, ...figuresOf(books) }, faults };
  } finally {
    await plant.stop();
  }
}
