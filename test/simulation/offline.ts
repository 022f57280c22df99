/**
 * A device without its hub for months: it measures, runs functions and schedules, raises alerts, restarts now and then;
 * and when the hub is there again everything arrives, or is a gap that was told. Memory stays flat meanwhile.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { defaultConfig } from '@weir/edge-agent';
import type { Bundles } from './bundles.ts';
import { check } from './checks.ts';
import type { Device } from './device.ts';
import { Dice } from './dice.ts';
import { NO_DISASTERS } from './disasters.ts';
import { memoryFolder } from './memory-folder.ts';
import type { SimulationOptions } from './options.ts';
import { unquiet } from './simulate.ts';
import { World } from './world.ts';

export interface OfflineResult {
  sent: number;
  stored: number;
  missing: number;
  alerts: number;
  hours_told: number;
  drain_s: number;
  /** Used heap after a collection: at the tenth part of the time, and at its end. */
  heap_mb_begin: number;
  heap_mb_end: number;
  database_mb_end: number;
  violations: string[];
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const PARTS = 10;
const MIB = 1_024 * 1_024;
/** Drawn once; another would do. */
const SEED = 'offline';
const SLOW_SENSORS = [
  ['s1', 'number', MINUTE],
  ['s2', 'stamped', MINUTE],
  ['s3', 'stamped', 5 * MINUTE],
  ['s4', 'level', 20 * MINUTE],
] as const satisfies Parameters<typeof gateway>[0];
/** What a heap may grow by: caches of series and statements that fill up, and nothing that grows with time. */
const HEAP_GROWTH_MB_MAX = 16;
export const DRAIN_LIMIT_MS = 6 * 60 * MINUTE;

export async function simulateOffline(
  bundles: Bundles,
  offlineMs: number,
  say: (line: string) => void,
): Promise<OfflineResult> {
  const folder = mkdtempSync(join(memoryFolder(), 'weir-offline-'));
  const world = new World({ dice: new Dice(SEED), options: gateway(SLOW_SENSORS), bundles, folder });
  const [device] = world.devices;
  const { timeline, hub, ledger } = world;
  const heaps: number[] = [];
  try {
    await world.begin();
    hub.supervisor.halt();
    const began = timeline.now;
    for (let part = 1; part <= PARTS; part++) {
      await timeline.runUntil(began + (offlineMs * part) / PARTS);
      heaps.push(collectedHeapMb());
      const { lanes, uplink } = await world.drive('the status', device!.agent!.status());
      const waiting = lanes.reduce((sum, { items }) => sum + items, 0);
      const days = ((timeline.now - began) / DAY).toFixed(1);
      say(`day ${days}: uplink ${uplink.state}, ${waiting} items wait, heap ${heaps.at(-1)!.toFixed(1)} MiB`);
      // A power cut, a new kernel: a device does not run for months without a break.
      device!.supervisor.crash('power', 0);
      await timeline.runUntil(timeline.now + MINUTE);
    }
    const databaseMb = device!.file.bytes / MIB;
    hub.supervisor.start();
    const mendedAt = timeline.now;
    await world.until('the backlog has arrived', () => isDrained(device!), DRAIN_LIMIT_MS);
    const drainMs = timeline.now - mendedAt;
    say(`everything has arrived ${(drainMs / 1_000).toFixed(1)} s after the hub was there again`);
    for (const sensor of device!.sensors) sensor.stop();
    await world.until('everything is quiet', () => unquiet(world), DRAIN_LIMIT_MS);
    await timeline.runUntil(timeline.now + MINUTE);
    await world.until('everything stays quiet', () => unquiet(world), DRAIN_LIMIT_MS);
    const { violations, stored, gaps, alerts, schedules } = await world.drive(
      'the checks',
      check(world),
      DRAIN_LIMIT_MS,
    );
    const [begin, end] = [heaps[0]!, heaps.at(-1)!];
    if (end - begin > HEAP_GROWTH_MB_MAX) {
      violations.push(`the heap grew from ${begin.toFixed(1)} to ${end.toFixed(1)} MiB`);
    }
    const hours = Math.floor(offlineMs / (60 * MINUTE));
    if (schedules < hours - 2 * PARTS) violations.push(`of ${hours} hours the schedule told ${schedules}`);
    return {
      ...{ sent: ledger.size, stored, missing: gaps, alerts, hours_told: schedules },
      ...{ drain_s: drainMs / 1_000, heap_mb_begin: begin, heap_mb_end: end, database_mb_end: databaseMb, violations },
    };
  } finally {
    for (const { supervisor } of [...world.devices, world.hub]) supervisor.abandon();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What is missing for that; undefined: nothing of the backlog waits. */
export async function isDrained({ agent }: Device): Promise<string | undefined> {
  const backfill = (await agent?.status())?.lanes.find(({ lane }) => lane === 'backfill');
  return backfill?.items === 0 ? undefined : `${backfill?.items ?? 'all'} items wait`;
}

/** A gateway with a few sensors, and the limits that it has by default. */
export function gateway(
  plans: readonly [name: string, kind: 'number' | 'stamped' | 'level', intervalMs: number][],
): SimulationOptions {
  const sensors = plans.map(([name, kind, intervalMs]) => ({ name, kind, intervalMs, readings: 1 }));
  const none = undefined;
  return {
    devices: [{ id: 'gw1', sensors, clock: 'right', config: defaultConfig() }],
    chaosMs: 0,
    faults: {
      ...{ deviceCrashMs: none, hubCrashMs: none, restartMs: none, cutMs: none, cutForMs: 0, silenceMs: none },
      ...{ breakMs: none, diskFullMs: none, diskFailureMs: none, diskSlowMs: none, clockSetMs: none, powerShare: 0 },
      ...{ receiverDownShare: 0, lostAnswerShare: 0, downlinkShare: 0, requestLossShare: 0, sandboxRestartShare: 0 },
      latencyMs: 20,
    },
    deployments: [
      { name: 'high', where: 'edge' },
      { name: 'tally', where: 'edge' },
      { name: 'hourly', where: 'edge' },
    ],
    logPartitions: 1,
    checkpointPages: 1_000,
    disasters: NO_DISASTERS,
    commandsMs: undefined,
    canary: undefined,
  };
}

function collectedHeapMb(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed / MIB;
}
