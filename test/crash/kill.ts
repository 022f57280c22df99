/** kill -9 of hub and gateway, with their sandboxes or of these alone, in changing order, at random moments, under load. */
import { sandboxesOf } from '../support/sandboxes.ts';
import { faultsOf } from './ledger.ts';
import { Plant, type Side } from './plant.ts';
import { figuresOf, pause, type Scenario, type ScenarioOptions } from './scenario.ts';

const SIDES: readonly Side[] = ['hub', 'agent'];
/** A function runs a step again whose process was killed; of a second kill soon after the function would be accused. */
const ROUNDS_BETWEEN_SANDBOX_KILLS = 3;
/** From the reading that fires an alert to the kill. */
const BEFORE_KILL_MS_MAX = 700;
const BETWEEN_KILLS_MS_MAX = 300;
const DOWN_MS_MAX = 400;
/** Somewhere from its first instruction to where it is ready. */
const COMING_UP_MS_MAX = 900;

type Attack = 'hub' | 'agent' | 'both' | 'sandbox';

export const kill: Scenario = {
  about: 'kill -9 of hub, gateway and sandboxes at random moments under load; --rounds times',
  async run(options) {
    const { say, rounds, size, signal } = options;
    const plant = await Plant.start({ sensors: 4, perSecond: size === 'full' ? 250 : 100 });
    const kills: Record<Attack | 'start', number> = { hub: 0, agent: 0, both: 0, sandbox: 0, start: 0 };
    try {
      await plant.deploy();
      plant.load();
      for (let round = 1; round <= rounds; round++) {
        const began = performance.now();
        const done = await killRound(plant, round, options, kills);
        const seconds = ((performance.now() - began) / 1_000).toFixed(1);
        say(`round ${round} of ${rounds}: ${done}, ${seconds} s, ${plant.acknowledged} readings acknowledged`);
        signal.throwIfAborted();
      }
      await plant.rest();
      const books = await plant.settle();
      const faults = [...faultsOf(books), ...(await plant.alertFaults())];
      return { figures: { rounds, ...prefixed(kills), ...figuresOf(books) }, faults };
    } finally {
      await plant.stop();
    }
  },
};

/** @returns what was done, for a person */
async function killRound(
  plant: Plant,
  round: number,
  { random, signal }: ScenarioOptions,
  kills: Record<Attack | 'start', number>,
): Promise<string> {
  const upTo = (ms: number) => Math.floor(random() * ms);
  const attack = attackOf(round, random);
  kills[attack]++;
  await plant.underLoad();
  await plant.heat();
  await pause(upTo(BEFORE_KILL_MS_MAX), signal);
  if (attack === 'sandbox') {
    for (const side of SIDES) killAll(sandboxesOf(plant.pid(side)));
    await plant.cool();
    return 'both sandboxes';
  }
  const sides = attack === 'both' ? shuffled(SIDES, random) : [attack];
  for (const [at, side] of sides.entries()) {
    if (at > 0) await pause(upTo(BETWEEN_KILLS_MS_MAX), signal);
    await plant.system.kill(side);
  }
  await pause(upTo(DOWN_MS_MAX), signal);
  const again = random() < 0.25 ? sides[0] : undefined;
  if (again !== undefined) {
    kills.start++;
    await killComingUp(plant, again, upTo(COMING_UP_MS_MAX));
  }
  await plant.startAll(shuffled(SIDES, random));
  await plant.cool();
  return `${sides.join(', then ')}${again === undefined ? '' : `, and ${again} again as it came up`}`;
}

function attackOf(round: number, random: () => number): Attack {
  if (round % ROUNDS_BETWEEN_SANDBOX_KILLS === 0 && random() < 0.5) return 'sandbox';
  const attacks = ['hub', 'agent', 'both'] as const;
  return attacks[Math.floor(random() * attacks.length)]!;
}

async function killComingUp(plant: Plant, side: Side, afterMs: number): Promise<void> {
  const up = plant.start(side).catch(() => {});
  await Promise.race([up, new Promise((resolve) => setTimeout(resolve, afterMs))]);
  await plant.system.kill(side);
  await up;
}

function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

function shuffled(sides: readonly Side[], random: () => number): Side[] {
  return random() < 0.5 ? [...sides] : sides.toReversed();
}

function prefixed(kills: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(kills).map(([name, count]) => [`kills_${name}`, count]));
}
