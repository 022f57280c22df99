/**
 * The downlink: how cloud code reaches devices. Its only adapter speaks the AWS IoT Data Plane API; the endpoint is
 * the hub's own or AWS.
 *
 * Obligations (`downlink.contract.ts` checks them): `updateShadow` is a merge and may be repeated; `publish` at QoS 1
 * resolves when the broker has taken the message, not when a device has it.
 */
import type { JsonObject } from '@weir/protocols';

export interface Downlink {
  publish(topic: string, payload: Uint8Array, options?: { qos?: 0 | 1; retain?: boolean }): Promise<void>;
  /** @returns undefined when the device has no such shadow. */
  getShadow(device: string, name?: string): Promise<JsonObject | undefined>;
  /** @returns the document's new version. @throws {DownlinkError} `conflict` when `version` is not the current one. */
  updateShadow(device: string, name: string | undefined, request: JsonObject): Promise<number>;
}

export class DownlinkError extends Error {
  readonly code: 'conflict' | 'refused' | 'unreachable';
  readonly retryable: boolean;

  constructor(code: 'conflict' | 'refused' | 'unreachable', message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DownlinkError';
    this.code = code;
    this.retryable = code === 'unreachable';
  }
}
