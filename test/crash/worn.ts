/** The file system of one side gives up in the middle of the work and is read-only; then the machine is started again. */
import { eventually } from '../support/system.ts';
import { mountingUnavailable, SmallDisk } from './disk.ts';
import { faultsOf } from './ledger.ts';
import { Plant, type Side } from './plant.ts';
import { restarted } from './recovery.ts';
import { figuresOf, type Outcome, pause, type Scenario, type ScenarioOptions } from './scenario.ts';

const DISK_MIB = 128;
const READ_ONLY = 'cannot be written: its file system is read-only';
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
    if (side === 'hub') faults.push(...(await startInVain(plant)));
    const waiting = side === 'agent' ? await startWaiting(plant) : undefined;
    disk.mountAgain();
    await (waiting?.() ?? plant.start(side));
    say('the disk was given up, and mounted again');
    await plant.rest();
    const books = await plant.settle();
    return { figures: { dead_s: DEAD_MS[size] / 1_000, ...figuresOf(books) }, faults: [...faults, ...faultsOf(books)] };
  } finally {
    await plant?.stop();
    disk.remove();
  }
}

/** A hub on a disk that cannot be written says so and ends: a person is near. */
async function startInVain(plant: Plant): Promise<string[]> {
  const words = await plant.start('hub').then(
    () => 'started',
    (error: Error) => error.message,
  );
  return words.includes(READ_ONLY) ? [] : [`on a disk that cannot be written the hub said: ${words}`];
}

/** A gateway says so, too, and waits: nobody is near, and a supervisor could only start it again. @returns what resolves when it is up */
async function startWaiting(plant: Plant): Promise<() => Promise<void>> {
  const coming = plant.start('agent');
  coming.catch(() => {});
  await eventually('the gateway says why it waits', async () => plant.system.output.includes(READ_ONLY) || undefined);
  return () => coming;
}
