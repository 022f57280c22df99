/**
 * Where it is kept what of a device's items was received, and what was not.
 *
 *     table            partition   sort
 *     received         <device>    <lane>/<epoch>                  a run: one item for each that numbered anything
 *     received-order   <device>    <lane>/<n, 12 digits>           json: { epoch }, so that the oldest can be found
 *     lane-life        <device>    <lane>/<life>
 *     lives            <device>    lives
 *     gap              <device>    <since, 15 digits>/<lane>/<epoch or life>   where numbers are missing, so that it can be found
 */
import { parseEpoch } from '@weir/protocols';
import type { Change, ItemKey, Store } from '../store/store.ts';
import type { LaneLife } from './lane-life.ts';
import type { Lives } from './lives.ts';
import type { Run } from './run.ts';

export const GAP_TABLE = 'gap';
export const LANE_LIFE_TABLE = 'lane-life';
const SINCE_DIGITS = 15;
const ORDER_DIGITS = 12;

export interface GapPlace {
  lane: string;
  life: string;
  /** Absent: of numbers that lie in no run. */
  epoch?: string;
}

export const runKey = (device: string, lane: string, epoch: string): ItemKey => ({
  table: 'received',
  partition: device,
  sort: `${lane}/${epoch}`,
});

export const orderKey = (device: string, lane: string, n: number): ItemKey => ({
  table: 'received-order',
  partition: device,
  sort: `${lane}/${`${n}`.padStart(ORDER_DIGITS, '0')}`,
});

export const laneLifeKey = (device: string, lane: string, life: string): ItemKey => ({
  table: LANE_LIFE_TABLE,
  partition: device,
  sort: `${lane}/${life}`,
});

export const livesKey = (device: string): ItemKey => ({ table: 'lives', partition: device, sort: 'lives' });

/** What had its first gap at `since` is found there as long as it has one. */
export function gapChange(device: string, since: number, { lane, life, epoch }: GapPlace, isGap: boolean): Change {
  const at = `${Math.max(0, since)}`.padStart(SINCE_DIGITS, '0');
  const key = { table: GAP_TABLE, partition: device, sort: `${at}/${lane}/${epoch ?? `${life}/`}` };
  return isGap ? { put: key, json: { lane, ...(epoch === undefined ? { life } : { epoch }) } } : { remove: key };
}

export function gapPlaceOf(json: unknown): GapPlace {
  const { lane, life, epoch } = json as { lane: string; life?: string; epoch?: string };
  return epoch === undefined ? { lane, life: life! } : { lane, epoch, life: parseEpoch(epoch).life };
}

export async function readRun(store: Store, device: string, lane: string, epoch: string): Promise<Run | undefined> {
  return (await store.get(runKey(device, lane, epoch)))?.json as Run | undefined;
}

export async function readLaneLife(
  store: Store,
  device: string,
  lane: string,
  life: string,
): Promise<LaneLife | undefined> {
  return (await store.get(laneLifeKey(device, lane, life)))?.json as LaneLife | undefined;
}

export async function readLives(store: Store, device: string): Promise<Lives | undefined> {
  return (await store.get(livesKey(device)))?.json as Lives | undefined;
}
