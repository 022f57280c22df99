import { BatchError, decodeBatch, type Lane } from '@weir/protocols';
import type { Log } from '../log/log.ts';

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
}

/**
 * Takes one uplink message; it may be acknowledged when this resolves. A bad message is acknowledged too: sent again
 * it would be no better, and would hold up what comes after it.
 *
 * @throws {LogError} when it is not durable; it must not be acknowledged then
 */
export async function takeUplink(message: UplinkMessage, { log, refused }: UplinkPorts): Promise<'kept' | 'refused'> {
  const fault = faultOf(message);
  if (fault === undefined) {
    await log.append([message]);
    return 'kept';
  }
  await refused(message.device, fault.reason, fault.detail, message.payload);
  return 'refused';
}

function faultOf({ device, payload }: UplinkMessage): { reason: string; detail: string } | undefined {
  try {
    const batch = decodeBatch(payload);
    if (batch.kind === 'readings') return undefined;
    const foreign = batch.alerts.find((alert) => alert.device !== device);
    if (foreign === undefined) return undefined;
    return { reason: 'foreign-device', detail: `${device} sent an alert in the name of ${foreign.device}` };
  } catch (error) {
    if (error instanceof BatchError) return { reason: error.code, detail: error.message };
    throw error;
  }
}
