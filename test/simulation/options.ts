/** What a seed makes of a simulation: how large, which faults, which limits. Each seed has some faults and not others. */
import { type Config, defaultConfig } from '@weir/edge-agent';
import { CLOCK_KINDS, type ClockKind } from './clocks.ts';
import type { Dice } from './dice.ts';
import { type Disasters, disastersFor, drawDisasters, NO_DISASTERS } from './disasters.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const KIB = 1_024;

/** An adapter that is broken on purpose: the checkers have to find it. */
export const CANARIES = [
  'broker-acknowledges-early',
  'hub-acknowledges-early',
  'disk-lies',
  // A sync that has failed is answered as if it had not.
  'sync-never-fails',
  // A device that was put back to an old image of its disk goes on under the word that it had.
  'run-goes-on',
  // A command that comes again is run again.
  'commands-run-again',
  // A damaged database is deleted, and nobody is told.
  'damage-begins-anew',
  // What runs is another policy than the one that is deployed.
  'other-policy',
  // What a metered line has cost is not kept.
  'budget-forgotten',
] as const;
export type Canary = (typeof CANARIES)[number];

export const SENSOR_KINDS = ['number', 'stamped', 'many', 'level', 'pressure', 'bad', 'careless'] as const;
export type SensorKind = (typeof SENSOR_KINDS)[number];

export interface SensorPlan {
  name: string;
  kind: SensorKind;
  /** ms, mean */
  intervalMs: number;
  /** Readings in one message, where it carries many. */
  readings: number;
}

export interface DevicePlan {
  id: string;
  sensors: SensorPlan[];
  clock: ClockKind;
  config: Config;
}

/** Times between faults of a kind, ms, mean; undefined: none. */
export interface FaultPlan {
  deviceCrashMs: number | undefined;
  hubCrashMs: number | undefined;
  restartMs: number | undefined;
  cutMs: number | undefined;
  cutForMs: number;
  silenceMs: number | undefined;
  breakMs: number | undefined;
  diskFullMs: number | undefined;
  diskFailureMs: number | undefined;
  diskSlowMs: number | undefined;
  clockSetMs: number | undefined;
  powerShare: number;
  receiverDownShare: number;
  lostAnswerShare: number;
  downlinkShare: number;
  requestLossShare: number;
  sandboxRestartShare: number;
  latencyMs: number;
}

export interface SimulationOptions {
  devices: DevicePlan[];
  chaosMs: number;
  faults: FaultPlan;
  deployments: {
    name: 'tally' | 'fragile' | 'hourly' | 'high' | 'pressed' | 'thin' | 'obey';
    where: 'edge' | 'cloud';
  }[];
  disasters: Disasters;
  /** Between commands of an operator to a device, mean; undefined: there are none. */
  commandsMs: number | undefined;
  logPartitions: number;
  checkpointPages: number;
  canary: Canary | undefined;
}

export function drawOptions(dice: Dice, canary?: Canary): SimulationOptions {
  const count = dice.pick([1, 1, 1, 1, 2, 2, 3]);
  const devices = Array.from({ length: count }, (_, at) => drawDevice(`gw${at + 1}`, dice.fork(`device ${at}`)));
  const options: SimulationOptions = {
    devices,
    chaosMs: dice.between(0.8, 3) * MINUTE,
    faults: canary === undefined ? drawFaults(dice) : canaryFaults(dice, canary),
    deployments: drawDeployments(dice),
    logPartitions: dice.pick([1, 1, 2, 4]),
    // A log that is written into the database is synced before: a lie about syncs shows in between.
    checkpointPages: canary === undefined ? dice.pick([10, 50, 200, 1_000]) : 1_000,
    disasters: { ...NO_DISASTERS },
    commandsMs: undefined,
    canary,
  };
  if (canary === undefined) drawDisasters(options, dice.fork('disasters'));
  else disastersFor(canary, options, dice.fork('disasters'));
  return options;
}

function drawDevice(id: string, dice: Dice): DevicePlan {
  const kinds: SensorKind[] = ['number', dice.pick(['stamped', 'many', 'number']), 'level', 'pressure'];
  if (dice.chance(0.4)) kinds.push('bad');
  if (dice.chance(0.3)) kinds.push('careless');
  const busy = dice.pick([1, 1, 1, 3]);
  const sensors = kinds.map((kind, at) => ({
    name: `s${at + 1}`,
    kind,
    intervalMs: dice.between(0.5, 6) * (SECOND / busy),
    readings: kind === 'many' ? dice.int(2, 40) : 1,
  }));
  const clock = dice.pick(['right', 'right', 'right', ...CLOCK_KINDS] as const);
  return { id, sensors, clock, config: drawConfig(dice) };
}

/** The defaults are for months; limits that are met within minutes are what is tried here. */
function drawConfig(dice: Dice): Config {
  const config = defaultConfig();
  const { uplink, outbox, intake, journal } = config;
  config.durability = dice.pick(['every-batch', 'every-batch', 'every-batch', '50ms', '500ms']);
  uplink.batchItemsMax = dice.pick([7, 50, 500, 5_000]);
  uplink.windowBatches = dice.pick([3, 4, 16]);
  uplink.backfillBatches = dice.pick([1, 2, 4]);
  uplink.batchBytesMin = dice.pick([256, 2 * KIB]);
  if (dice.chance(0.2)) uplink.backfillPerSecond = dice.int(50, 500);
  uplink.keepalive = dice.pick([10, 30]) * SECOND;
  uplink.backoffCap = dice.pick([2, 30]) * SECOND;
  const { live, backfill } = outbox.lanes;
  for (const lane of [live, backfill]) {
    if (dice.chance(0.25)) lane.bytesMax = dice.int(2, 40) * KIB;
    if (dice.chance(0.1)) lane.rowsMax = dice.int(50, 500);
    if (dice.chance(0.15)) lane.ageMax = dice.between(20, 120) * SECOND;
    lane.policy = dice.pick(['drop-oldest', 'drop-oldest', 'drop-newest', 'downsample']);
    if (dice.chance(0.2)) lane.metrics.push({ metric: 'flow*', policy: dice.pick(['drop-newest', 'downsample']) });
  }
  outbox.downsample = { every: SECOND, everyMax: dice.pick([2, 60]) * SECOND };
  outbox.gapsEvery = dice.pick([1, 10]) * SECOND;
  if (dice.chance(0.3)) outbox.liveBytesMax = dice.int(1, 8) * KIB;
  if (dice.chance(0.3)) intake.groupReadingsMax = dice.int(1, 50);
  if (dice.chance(0.2)) journal.bytesMax = dice.int(1, 16) * KIB;
  if (dice.chance(0.3)) config.functions.uncommittedReadingsMax = dice.int(1, 50);
  if (dice.chance(0.3)) config.functions.handoffReadingsMax = dice.int(1, 100);
  return config;
}

function drawFaults(dice: Dice): FaultPlan {
  const often = (share: number, low: number, high: number) =>
    dice.chance(share) ? 0.7 * dice.between(low, high) * MINUTE : undefined;
  return {
    deviceCrashMs: often(0.6, 0.3, 3),
    hubCrashMs: often(0.5, 0.3, 3),
    restartMs: often(0.2, 1, 4),
    cutMs: often(0.5, 0.5, 3),
    cutForMs: dice.between(5, 150) * SECOND,
    silenceMs: often(0.4, 0.3, 2),
    breakMs: often(0.5, 0.2, 2),
    diskFullMs: often(0.25, 1, 3),
    diskFailureMs: often(0.25, 1, 3),
    diskSlowMs: often(0.25, 1, 3),
    clockSetMs: often(1, 0.5, 2),
    powerShare: dice.pick([0, 0.5, 1]),
    receiverDownShare: dice.pick([0, 0, 0.3, 0.9]),
    lostAnswerShare: dice.pick([0, 0, 0.3]),
    downlinkShare: dice.pick([0, 0, 0.2]),
    requestLossShare: dice.pick([0, 0, 0.3]),
    sandboxRestartShare: dice.pick([0, 0, 0.02]),
    latencyMs: dice.pick([2, 20, 200, 1_000]),
  };
}

/** Of a device, by which the broken adapter shows. */
const CRASHES: readonly Canary[] = [
  'broker-acknowledges-early',
  'disk-lies',
  'sync-never-fails',
  'budget-forgotten',
  'commands-run-again',
];

/** Those faults in which the broken adapter shows. */
function canaryFaults(dice: Dice, canary: Canary): FaultPlan {
  const crashMs = dice.between(5, 15) * SECOND;
  return {
    deviceCrashMs: CRASHES.includes(canary) ? crashMs : undefined,
    hubCrashMs: canary === 'hub-acknowledges-early' ? crashMs : undefined,
    restartMs: undefined,
    cutMs: canary === 'damage-begins-anew' ? crashMs : undefined,
    cutForMs: 30 * SECOND,
    silenceMs: undefined,
    breakMs: undefined,
    diskFullMs: undefined,
    diskFailureMs: canary === 'sync-never-fails' ? crashMs : undefined,
    diskSlowMs: undefined,
    clockSetMs: undefined,
    powerShare: canary === 'disk-lies' || canary === 'sync-never-fails' ? 1 : 0,
    receiverDownShare: 0,
    lostAnswerShare: 0,
    downlinkShare: 0,
    requestLossShare: 0,
    sandboxRestartShare: 0,
    // What is not answered soon is sent again.
    latencyMs: canary === 'commands-run-again' ? 1_500 : 20,
  };
}

function drawDeployments(dice: Dice): SimulationOptions['deployments'] {
  const deployments: SimulationOptions['deployments'] = [
    { name: 'high', where: 'edge' },
    { name: 'pressed', where: 'cloud' },
  ];
  if (dice.chance(0.6)) deployments.push({ name: 'tally', where: dice.pick(['edge', 'edge', 'cloud']) });
  if (dice.chance(0.3)) deployments.push({ name: 'fragile', where: dice.pick(['edge', 'cloud']) });
  return deployments;
}
