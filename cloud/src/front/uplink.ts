import { BatchError, decodeBatch, type Lane } from '@weir/protocols';
import type { Log } from '../log/log.ts';
import { expanded } from './expanded.ts';

export interface UplinkMessage {
  device: string;
  lane: Lane;
  payload: Uint8Array;
  receivedAt: number;
}

export interface UplinkPorts {
  log: Log;
  /** Keeps a bad message aside, counted by reason. */
  refused(device: string, reason: string, detail: string, payload: Uint8Array): Promise<void>;
  /** Told of a batch that goes to the log, and how many items are in it. @returns to be called if it does not get there */
  entering?: ((items: number) => () => void) | undefined;
}

/**
 * Takes one uplink message; it may be acknowledged when this resolves. A bad message is acknowledged too: sent again
 * it would be no better, and would hold up what comes after it. Of a batch of alerts or reports only the bad ones are
 * kept aside.
 *
 * @throws {LogError} when it is not durable; it must not be acknowledged then
 */
export async function takeUplink(
  message: UplinkMessage,
  { log, refused, entering }: UplinkPorts,
): Promise<'kept' | 'refused'> {
  const { device, payload } = message;
  const { kept, items, faults } = inspect(message);
  if (kept !== undefined) {
    const leave = entering?.(items);
    try {
      await log.append([{ ...message, payload: kept }]);
    } catch (error) {
      leave?.();
      throw error;
    }
  }
  await Promise.all(faults.map(({ reason, detail, content }) => refused(device, reason, detail, content ?? payload)));
  return kept !== undefined ? 'kept' : 'refused';
}

interface Fault {
  reason: string;
  detail: string;
  /** Of the part that is bad; absent: the whole message. */
  content?: Uint8Array;
}

/** `kept`: the batch, not compressed; absent when it is refused as a whole. */
function inspect({ device, payload }: UplinkMessage): { kept?: Uint8Array; items: number; faults: Fault[] } {
  try {
    const kept = expanded(payload);
    const batch = decodeBatch(kept);
    const items = batch.count;
    if (batch.kind === 'readings') return { kept, items, faults: [] };
    const bad: Fault[] = batch.refused ?? [];
    if (batch.kind === 'reports') return { kept, items, faults: bad };
    const foreign = batch.alerts
      .filter((alert) => alert.device !== device)
      .map((alert) => ({
        reason: 'foreign-device',
        detail: `${device} sent an alert in the name of ${alert.device}`,
        content: new TextEncoder().encode(JSON.stringify(alert)),
      }));
    // The worker leaves out what is bad. It gets the batch also when nothing is left: the items are numbered.
    return { kept, items, faults: [...bad, ...foreign] };
  } catch (error) {
    if (!(error instanceof BatchError)) throw error;
    return { items: 0, faults: [{ reason: error.code, detail: error.message }] };
  }
}
