/** What the hub says one device is to run. The device believes this, and not its shadow. */
import { z } from 'zod';
import { DEVICE_PATTERN } from '../reading.ts';
import type { Json, JsonObject } from '../shadow/document.ts';

export const deploymentStatementSchema = z.object({
  type: z.literal('weir-deployment'),
  device: z.string().regex(DEVICE_PATTERN),
  /** Goes up by one when the rest changes; for this device alone. */
  sequence: z.int().min(1),
  /** ms since epoch */
  issuedAt: z.int().min(0),
  /** ms since epoch; one that was held back longer is not taken. */
  expires: z.int().min(0),
  /**
   * By name, as `desired.deployments` of the shadow `weir` has them. They are read one by one: what a device does not
   * understand leaves that name as it is.
   */
  deployments: z.custom<JsonObject>((value) => isObject(value as Json), 'no object'),
});
export type DeploymentStatement = z.infer<typeof deploymentStatementSchema>;

/** What the hub answers a device that asks what it is to run. */
export const deploymentAnswerSchema = z.object({
  /** Version of the root file in force. */
  root: z.int().min(1),
  /** Text of the envelope. */
  statement: z.string(),
});

/** Text of the envelopes of root files, in order of version; a device that gets some asks for more. */
export const rootsAnswerSchema = z.object({ roots: z.array(z.string()) });

function isObject(value: Json | undefined): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
