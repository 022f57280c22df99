/** What happens to a device once in its life, if at all: drawn beside the faults that come again and again. */
import type { Dice } from './dice.ts';
import type { Canary, DevicePlan, SimulationOptions } from './options.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export interface Disasters {
  /** Its disk is put back to what it was. ms after the beginning; both undefined: it is not. */
  copyAfterMs: number | undefined;
  putBackAfterMs: number | undefined;
  /** Pages of its database are not what was written any more. */
  damageAfterMs: number | undefined;
  /** Its disk is full for an hour. */
  fullAfterMs: number | undefined;
}

export const NO_DISASTERS: Disasters = {
  ...{ copyAfterMs: undefined, putBackAfterMs: undefined, damageAfterMs: undefined, fullAfterMs: undefined },
};

/** Bytes a day; with what a simulated device measures in minutes it is spent. */
const BUDGETS_BYTES = [2_000, 3_000, 6_000] as const;
/** Of a ballast: databases of simulated devices have some dozens of pages. */
const BALLASTS_BYTES = [0, 64 * 1_024, 1_024 * 1_024] as const;
/** Times between faults, and between readings, where an hour is simulated and not two minutes. */
const SLOWER = 15;

/** What a seed draws is drawn before: this comes on top. The first device is the one that it happens to. */
export function drawDisasters(options: SimulationOptions, dice: Dice): void {
  for (const device of options.devices) device.config.storage.ballast = dice.pick(BALLASTS_BYTES);
  if (dice.chance(0.3)) options.deployments.push({ name: 'thin', where: 'edge' });
  happen(options, dice.pick([...KINDS, ...KINDS, 'old-image', 'damage', ...QUIET]), dice);
  if (dice.chance(0.3)) beCommanded(options, dice);
}

function beCommanded(options: SimulationOptions, dice: Dice): void {
  options.deployments.push({ name: 'obey', where: 'edge' });
  options.commandsMs = dice.between(0.03, 0.2) * options.chaosMs;
}

const KINDS = ['old-image', 'damage', 'full', 'metered'] as const;
type Kind = (typeof KINDS)[number] | 'none';
/** An hour takes as much to simulate as ten ordinary seeds, and so does a day that turns. */
const QUIET = Array.from<Kind>({ length: 30 }).fill('none');

function happen(options: SimulationOptions, kind: Kind, dice: Dice): void {
  if (kind === 'full') beSlow(options);
  const { disasters, chaosMs } = options;
  if (kind === 'old-image') {
    disasters.copyAfterMs = dice.between(0.05, 0.5) * chaosMs;
    disasters.putBackAfterMs = dice.between(0.55, 0.95) * chaosMs;
  }
  if (kind === 'damage') disasters.damageAfterMs = dice.between(0.1, 0.9) * chaosMs;
  if (kind === 'full') disasters.fullAfterMs = dice.between(0, 0.1) * chaosMs;
  if (kind === 'metered') beMetered(options.devices[0]!, dice);
}

/** What a broken adapter needs to show. */
export function disastersFor(canary: Canary, options: SimulationOptions, dice: Dice): void {
  const [first] = options.devices;
  if (canary === 'run-goes-on') happen(options, 'old-image', dice);
  if (canary === 'damage-begins-anew') happen(options, 'damage', dice);
  if (canary === 'commands-run-again') beCommanded(options, dice);
  if (canary === 'other-policy') options.deployments.push({ name: 'thin', where: 'edge' });
  if (canary === 'budget-forgotten') beMetered(first!, dice);
  if (canary === 'sync-never-fails') first!.config.durability = '500ms';
}

function beMetered(device: DevicePlan, dice: Dice): void {
  const budget = { reserved: dice.pick([0.2, 0.5]), timeZone: 'UTC', gather: dice.pick([5_000, 30_000]) };
  const bytesPerDay = dice.pick(BUDGETS_BYTES);
  device.config.uplink.budget = { ...budget, bytesPerDay, keepalive: 2 * MINUTE, chatter: 6 * HOUR };
  device.clock = 'right';
}

function beSlow(options: SimulationOptions): void {
  options.chaosMs = 1.2 * HOUR;
  for (const { sensors } of options.devices) for (const sensor of sensors) sensor.intervalMs *= SLOWER;
  const { faults } = options;
  faults.diskFullMs = undefined;
  const often = Object.keys(faults).filter((key) => key.endsWith('Ms') && key !== 'latencyMs' && key !== 'cutForMs');
  for (const key of often as 'cutMs'[]) if (faults[key] !== undefined) faults[key] *= SLOWER;
}

export const FULL_FOR_MS = HOUR;
