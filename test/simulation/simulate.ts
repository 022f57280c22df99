/**
 * One seed: a fleet is set up, faults happen while sensors send, then everything heals; and whatever was promised must
 * have been kept.
 *
 *     set up -> faults (safety is watched) -> heal -> quiet (liveness) -> checks
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Agent, diskFault, type StatusReport } from '@weir/edge-agent';
import type { Bundles } from './bundles.ts';
import { check } from './checks.ts';
import { loadOperations } from './database.ts';
import type { Device } from './device.ts';
import { Dice } from './dice.ts';
import { Faults } from './faults.ts';
import { memoryFolder } from './memory-folder.ts';
import { type Canary, drawOptions, type SimulationOptions } from './options.ts';
import { World } from './world.ts';

export interface SimulateOptions {
  seed: number;
  bundles: Bundles;
  canary?: Canary;
  /** Changes what was drawn. */
  adjust?: (options: SimulationOptions) => void;
  show?: (line: string) => void;
}

export interface SimulationResult {
  seed: number;
  /** The same for the same seed, always. */
  trace: string;
  events: number;
  /** ms */
  simulatedMs: number;
  sent: number;
  acknowledged: number;
  stored: number;
  gaps: number;
  alerts: number;
  /** What was promised and not kept; empty: nothing. */
  violations: string[];
  /** Of the trace, when something was violated. */
  last: readonly string[];
}

const OPERATIONS = [
  'edge-agent/src/spool/operations.ts',
  'cloud/src/log/sqlite-operations.ts',
  'cloud/src/store/sqlite-operations.ts',
];
const QUIET_LIMIT_MS = 3_600_000;
/** Into the next day, for what it has to be taken up. */
const NEXT_DAY_MS = 120_000;
const ENOUGH_BYTES = 100_000_000;
/** What is told by timers, such as letters and gaps, is told within it. */
const SETTLE_MS = 65_000;

/** Before the first simulation of a process. */
export async function prepare(): Promise<void> {
  await loadOperations(...OPERATIONS.map((path) => new URL(`../../${path}`, import.meta.url).href));
}

export async function simulate({ seed, bundles, canary, adjust, show }: SimulateOptions): Promise<SimulationResult> {
  const dice = new Dice(`seed ${seed}`);
  const options = drawOptions(dice.fork('options'), canary);
  adjust?.(options);
  const folder = mkdtempSync(join(memoryFolder(), 'weir-simulation-'));
  const world = new World({ dice, options, bundles, folder, ...(show && { show }) });
  const onRejection = (reason: unknown) => world.timeline.fail(reason as Error);
  process.on('unhandledRejection', onRejection);
  const result: SimulationResult = {
    ...{ seed, trace: '', events: 0, simulatedMs: 0, sent: 0, acknowledged: 0, stored: 0, gaps: 0, alerts: 0 },
    ...{ violations: [], last: [] },
  };
  const begun = world.timeline.now;
  try {
    await world.begin();
    const faults = new Faults(world);
    faults.start();
    await world.timeline.runUntil(world.timeline.now + options.chaosMs);
    faults.heal();
    for (const { sensors } of world.devices) for (const sensor of sensors) sensor.stop();
    await passDay(world);
    await world.until('everything is quiet again', () => unquiet(world), QUIET_LIMIT_MS);
    await world.timeline.runUntil(world.timeline.now + SETTLE_MS);
    await world.until('everything stays quiet', () => unquiet(world), QUIET_LIMIT_MS);
    Object.assign(result, await world.drive('the checks', check(world)));
  } catch (error) {
    result.violations.push((error as Error).stack ?? String(error));
  } finally {
    process.off('unhandledRejection', onRejection);
    for (const { supervisor } of [...world.devices, world.hub]) supervisor.abandon();
    rmSync(folder, { recursive: true, force: true });
  }
  result.sent = world.ledger.size;
  result.acknowledged = world.ledger.acknowledged;
  result.simulatedMs = world.timeline.now - begun;
  result.events = world.timeline.events;
  if (result.violations.length > 0) result.last = world.trace.last;
  result.trace = world.trace.digest();
  return result;
}

/** On a metered line alerts go though the day is spent; readings wait for the next, and get what that one has. */
async function passDay(world: World): Promise<void> {
  const metered = world.devices.filter(({ plan }) => plan.config.uplink.budget !== undefined);
  if (metered.length === 0) return;
  const { timeline, dayEnd } = world;
  await world.until('alerts are told on a metered line', () => untold(world, metered), dayEnd - timeline.now);
  await timeline.runUntil(dayEnd + NEXT_DAY_MS);
  for (const device of metered) {
    // Somebody has paid for more.
    device.plan.config.uplink.budget!.bytesPerDay = ENOUGH_BYTES;
    void device.supervisor.restart();
  }
  await timeline.runUntil(timeline.now + NEXT_DAY_MS);
}

async function untold({ hub }: World, metered: readonly Device[]): Promise<string | undefined> {
  for (const { id, agent } of metered) {
    if (agent === undefined) return `${id} is down`;
    const status = await statusOf(agent);
    if (status === undefined) return `${id} has found damage`;
    const { lanes, journal } = status;
    if (journal.lagRows > 0) return `${journal.lagRows} rows of the journal of ${id}`;
    const { items } = lanes.find(({ lane }) => lane === 'alert')!;
    if (items > 0) return `${items} alerts of ${id}`;
  }
  return (await hub.lag()) === 0 ? undefined : 'the hub has not come to them';
}

/** Undefined: the question has found a damaged page, and the agent starts again. */
async function statusOf(agent: Agent): Promise<StatusReport | undefined> {
  return agent.status().catch((error) => {
    if (diskFault(error) !== 'corrupt') throw error;
    return undefined;
  });
}

/** What still waits somewhere. */
export async function unquiet({ devices, hub }: World): Promise<string | undefined> {
  for (const { id, agent, sensors } of devices) {
    if (agent === undefined) return `${id} is down`;
    const sensor = sensors.findIndex(({ isDone }) => !isDone);
    if (sensor >= 0) return `sensor ${sensor + 1} of ${id}`;
    const status = await statusOf(agent);
    if (status === undefined) return `${id} has found damage`;
    const { uplink, journal, lanes, commands, publishes, droppedRanges } = status;
    if (uplink.state !== 'up') return `the uplink of ${id}`;
    if (journal.lagRows > 0) return `${journal.lagRows} rows of the journal of ${id}`;
    const lane = lanes.find(({ items }) => items > 0);
    if (lane !== undefined) return `${lane.items} items in lane ${lane.lane} of ${id}`;
    if (commands.waiting + publishes.waiting > 0) return `commands or publishes of ${id}`;
    if (droppedRanges.some(({ told }) => !told)) return `gaps of ${id} that are not told`;
  }
  if (!hub.supervisor.isRunning || hub.operators === undefined) return 'the hub is down';
  for (const { id } of devices) {
    const waiting = (await hub.operators.commands.list(id)).filter(({ state }) => state === 'waiting');
    if (waiting.length > 0) return `${waiting.length} commands for ${id}`;
  }
  const lag = await hub.lag();
  if (lag !== 0) return `${lag} records in the log`;
  const { items } = await hub.operators.store.query({ table: 'notify', partition: 'intake', limit: 1 });
  if (items.length > 0) return 'the intake of notifications';
  const channel = (await hub.operators.notifier.channels()).find(({ waiting }) => waiting > 0);
  return channel && `${channel.waiting} notifications`;
}
