/** The file system of one side gives up in the middle of the work and is read-only; then the machine is started again. */
import { mountingUnavailable, SmallDisk } from './disk.ts';
import { faultsOf } from './ledger.ts';
import { Plant, type Side } from './plant.ts';
import { restarted } from './recovery.ts';
import { figuresOf, type Outcome, pause, type Scenario, type ScenarioOptions } from './scenario.ts';

const DISK_MIB = 128;
const BEFORE_MS = 2_000;
const DEAD_MS = { short: 3_000, full: 30_000 };

export const agentWorn = worn('agent');
export const hubWorn = worn('hub');

function worn(side: Side): Scenario {
  return {
    about: `the file system of the ${side === 'hub' ? 'hub' : 'gateway'} turns read-only at work, until a restart`,
    unavailable: mountingUnavailable,
    run: (options) => run(side, options),
  };
}

async function run(side: Side, { size, say, signal }: ScenarioOptions): Promise<Outcome> {
  const disk = SmallDisk.ext4(DISK_MIB);
  let plant: Plant | undefined;
  try {
    plant = await Plant.start({ sensors: 4, perSecond: 100, [`${side}Data`]: `${disk.path}/${side}` });
    const pid = plant.pid(side);
    plant.load();
    await pause(BEFORE_MS, signal);
    disk.die();
    await pause(DEAD_MS[size], signal);
    const faults = restarted(plant, side, pid);
    await plant.system.kill(side);
    faults.push(...(await startInVain(plant, side)));
    disk.mountAgain();
    await plant.start(side);
    say('the disk was given up, and mounted again');
    await plant.rest();
    const books = await plant.settle();
    return { figures: { dead_s: DEAD_MS[size] / 1_000, ...figuresOf(books) }, faults: [...faults, ...faultsOf(books)] };
  } finally {
    await plant?.stop();
    disk.remove();
  }
}

/** A start on a disk that cannot be written says so and ends, for a supervisor to try again later. */
async function startInVain(plant: Plant, side: Side): Promise<string[]> {
  const words = await plant.start(side).then(
    () => 'started',
    (error: Error) => error.message,
  );
  return words.includes('cannot be written: its file system is read-only')
    ? []
    : [`on a disk that cannot be written the ${side} said: ${words}`];
}
