import { eventually } from '../support/system.ts';
import type { Plant, Side } from './plant.ts';

const RECOVERED_MS = 60_000;
/** More than what may have been on its way. */
const SOME = 100;

/** Until that side does its work again. @returns seconds */
export async function recovery(plant: Plant, side: Side): Promise<number> {
  const count = async () => (side === 'hub' ? await plant.storedCount() : plant.acknowledged);
  const began = performance.now();
  const before = await count();
  await eventually(`the ${side} at work again`, async () => (await count()) > before + SOME || undefined, RECOVERED_MS);
  return Math.round((performance.now() - began) / 100) / 10;
}

/** It is to live through what was done to it. @returns whether it did not */
export function restarted(plant: Plant, side: Side, pid: number): string[] {
  return plant.system.isUp(side) && plant.pid(side) === pid ? [] : [`the ${side} did not live through it`];
}
