/** The disk of one side is full for a while, of files that are not Weir's; sensors go on. */
import { mountingUnavailable, SmallDisk } from './disk.ts';
import { faultsOf } from './ledger.ts';
import { Plant, type Side } from './plant.ts';
import { recovery, restarted } from './recovery.ts';
import { figuresOf, type Outcome, pause, type Scenario, type ScenarioOptions } from './scenario.ts';

/** Room for the databases, their logs and what they are to do without. */
const DISK_MIB = 96;
const BEFORE_MS = 2_000;
const FULL_MS = { short: 4_000, full: 90_000 };
const FULL_AT_START_MS = { short: 2_000, full: 20_000 };
/** As systemd does after a failure. */
const SUPERVISOR_MS = 1_000;
const STARTS_MAX = 60;
const WORDS_TOLD = 10;
/** Whatever is let go of is taken by somebody else at once. */
const REFILL_MS = 200;

export const agentDiskFull = diskFull('agent');
export const hubDiskFull = diskFull('hub');

function diskFull(side: Side): Scenario {
  return {
    about: `the disk of the ${side === 'hub' ? 'hub' : 'gateway'} is full, and then has room again`,
    unavailable: mountingUnavailable,
    run: (options) => run(side, options),
  };
}

async function run(side: Side, options: ScenarioOptions): Promise<Outcome> {
  const { size, say, signal } = options;
  const fullMs = options.fullMs ?? FULL_MS[size];
  const disk = SmallDisk.tmpfs(DISK_MIB);
  let plant: Plant | undefined;
  try {
    plant = await Plant.start({ sensors: 4, perSecond: 100, [`${side}Data`]: `${disk.path}/${side}` });
    const pid = plant.pid(side);
    plant.load();
    await pause(BEFORE_MS, signal);
    // With a hub there would always be room again for what it has.
    if (side === 'agent') await plant.system.kill('hub');
    const before = plant.acknowledged;
    await keepFull(disk, fullMs, options);
    const during = plant.acknowledged - before;
    const faults = restarted(plant, side, pid);
    const starts = await startedWhileFull(plant, side, disk, options);
    say(`full for ${fullMs / 1_000} s: ${during} readings were acknowledged meanwhile, ${starts} starts`);
    const recoveredS = await recovery(plant, side);
    await plant.startAll();
    await plant.rest();
    const books = await plant.settle();
    const figures = {
      full_s: fullMs / 1_000,
      acknowledged_while_full: during,
      refused: plant.refusals(),
      starts,
      recovered_s: recoveredS,
    };
    return { figures: { ...figures, ...figuresOf(books) }, faults: [...faults, ...faultsOf(books)] };
  } finally {
    await plant?.stop();
    disk.remove();
  }
}

async function keepFull(disk: SmallDisk, ms: number, { signal }: ScenarioOptions): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until) {
    disk.fill();
    await pause(REFILL_MS, signal);
  }
}

/** It is killed while the disk is full, and started as a supervisor does until there is room. @returns the starts it took */
async function startedWhileFull(plant: Plant, side: Side, disk: SmallDisk, options: ScenarioOptions): Promise<number> {
  await plant.system.kill(side);
  let isFull = true;
  const starting = (async () => {
    for (let starts = 1; ; starts++) {
      const isUp = await plant.start(side).then(
        () => true,
        () => false,
      );
      if (isUp) return starts;
      if (!isFull && starts > STARTS_MAX)
        throw new Error(`the ${side} does not start again:\n${last(plant.system.output)}`);
      // One that is slow to come up has the data, and would keep the next one from it.
      if (plant.system.isUp(side)) await plant.system.kill(side);
      await pause(SUPERVISOR_MS, options.signal);
    }
  })();
  starting.catch(() => {});
  await keepFull(disk, FULL_AT_START_MS[options.size], options);
  disk.free();
  isFull = false;
  return starting;
}

function last(output: string): string {
  return output.trimEnd().split('\n').slice(-WORDS_TOLD).join('\n');
}
