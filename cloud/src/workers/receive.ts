/** Notes items as received, and passes on what came of it: what is missing, and what is worth telling. */
import type { BatchHead } from '@weir/protocols';
import type { HubEvents } from '../api/events.ts';
import type { Notice } from '../gaps/device-items.ts';
import type { Range } from '../gaps/ranges.ts';
import type { LogRecord } from '../log/log.ts';
import type { Device } from './devices.ts';
import type { Effects } from './effects.ts';
import type { WorkerCounts } from './limits.ts';

export interface Receiving {
  counts: WorkerCounts;
  events: Pick<HubEvents, 'emit'>;
}

/** Notes a part of a batch as received. @returns what of it is new, as positions in the batch */
export async function receive(
  { lane, receivedAt: at }: LogRecord,
  { epoch, seq, generation }: BatchHead,
  [from, to]: Range,
  { device, effects }: { device: Device; effects: Effects },
  receiving: Receiving,
): Promise<Range[]> {
  const taking = { epoch, seq: seq + from, count: to - from, at, generation };
  const fresh = await device.state.items.take(lane, taking);
  effects.duplicates += to - from - fresh.reduce((sum, [low, high]) => sum + high - low, 0);
  if (fresh.length > 0) effects.touch(device.state);
  settle(device, effects, receiving);
  return fresh.map(([low, high]): Range => [low - seq, high - seq]);
}

/** What came of the items of a device goes with the effects; it is told when they are committed. */
export function settle({ state }: Device, effects: Effects, { counts, events }: Receiving): void {
  const { missing, notices } = state.items.settle();
  effects.missing.push(...missing);
  if (notices.length === 0) return;
  effects.addOnce([], () => {
    for (const notice of notices) {
      count(notice, counts);
      events.emit(eventOf(state.device, notice));
    }
  });
}

function count(notice: Notice, counts: WorkerCounts): void {
  if (notice.type === 'gap') counts.itemsGivenUp += notice.report.count;
  else if (notice.type === 'restored') counts.devicesRestored++;
  else counts.newLives++;
}

function eventOf(device: string, notice: Notice) {
  if (notice.type !== 'gap') return { ...notice, device };
  const { type, id: _, ts, ...gap } = notice.report;
  return { type, device, at: notice.at, ts, ...gap };
}
