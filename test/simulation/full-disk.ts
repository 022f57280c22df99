/**
 * A device that is without its hub for as long as is said, and then for as long again has a disk that is full: it goes on, or says to its sensors that it cannot;
 * and when there is room and the hub again everything that was acknowledged arrives, or is a gap that was told.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Bundles } from './bundles.ts';
import { check } from './checks.ts';
import { Dice } from './dice.ts';
import { memoryFolder } from './memory-folder.ts';
import { DRAIN_LIMIT_MS, gateway, isDrained } from './offline.ts';
import { unquiet } from './simulate.ts';
import { World } from './world.ts';

export interface FullDiskResult {
  sent: number;
  acknowledged: number;
  /** Of these, while the disk was full. */
  acknowledged_full: number;
  stored: number;
  /** Given up for want of room, and told; the checks count them. */
  missing: number;
  alerts: number;
  /** Times that the agent was started while the disk was full; once is after the power cut. */
  starts_full: number;
  /** From the moment at which there is room until a sensor is acknowledged again. */
  recovery_s: number;
  violations: string[];
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const PARTS = 10;
/** Drawn once; another would do. */
const SEED = 'full disk';
const RECOVERY_LIMIT_MS = 10 * MINUTE;

export async function simulateFullDisk(
  bundles: Bundles,
  fullMs: number,
  say: (line: string) => void,
): Promise<FullDiskResult> {
  const folder = mkdtempSync(join(memoryFolder(), 'weir-full-disk-'));
  const options = gateway([
    ['s1', 'number', SECOND],
    ['s2', 'stamped', 2 * SECOND],
    ['s4', 'level', 5 * SECOND],
  ]);
  const world = new World({ dice: new Dice(SEED), options, bundles, folder });
  const [device] = world.devices;
  const { timeline, hub, ledger } = world;
  const acknowledged = () => ledger.acknowledged;
  try {
    await world.begin();
    await timeline.runUntil(timeline.now + MINUTE);
    hub.supervisor.halt();
    // What waits by then is what can make room.
    await timeline.runUntil(timeline.now + fullMs);
    device!.disk.isFull = true;
    const before = acknowledged();
    const { runs } = device!.supervisor;
    const began = timeline.now;
    for (let part = 1; part <= PARTS; part++) {
      await timeline.runUntil(began + (fullMs * part) / PARTS);
      const state = device!.agent === undefined ? 'the agent is down' : 'the agent is up';
      say(
        `${((timeline.now - began) / MINUTE).toFixed(1)} min full: ${state}, ${acknowledged() - before} acknowledged`,
      );
      // Somebody pulls the plug, because it does not seem to work.
      if (part === PARTS / 2) device!.supervisor.crash('power', 0);
    }
    const acknowledgedFull = acknowledged() - before;
    const starts = device!.supervisor.runs - runs;
    device!.disk.isFull = false;
    const mendedAt = timeline.now;
    const last = acknowledged();
    await world.until(
      'readings are taken again',
      async () => (acknowledged() > last ? undefined : 'none was acknowledged'),
      RECOVERY_LIMIT_MS,
    );
    const recoveryMs = timeline.now - mendedAt;
    say(`readings are taken again ${(recoveryMs / SECOND).toFixed(1)} s after there was room`);
    hub.supervisor.start();
    await world.until('the backlog has arrived', () => isDrained(device!), DRAIN_LIMIT_MS);
    for (const sensor of device!.sensors) sensor.stop();
    await world.until('everything is quiet', () => unquiet(world), DRAIN_LIMIT_MS);
    await timeline.runUntil(timeline.now + MINUTE);
    await world.until('everything stays quiet', () => unquiet(world), DRAIN_LIMIT_MS);
    const { violations, stored, gaps, alerts } = await world.drive('the checks', check(world), DRAIN_LIMIT_MS);
    return {
      ...{ sent: ledger.size, acknowledged: acknowledged(), acknowledged_full: acknowledgedFull, stored },
      ...{ missing: gaps, alerts, starts_full: starts, recovery_s: recoveryMs / SECOND, violations },
    };
  } finally {
    for (const { supervisor } of [...world.devices, world.hub]) supervisor.abandon();
    rmSync(folder, { recursive: true, force: true });
  }
}
