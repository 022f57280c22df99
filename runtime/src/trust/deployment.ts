/** What a hub says a device is to run, and whether that device is to believe it. */
import { type DeploymentStatement, type JsonObject, type Root, sameJson } from '@weir/protocols';
import { checkSignatures, openEnvelope } from './envelope.ts';
import { expiryOf } from './root.ts';
import { accepted, refused, type Verdict } from './verdict.ts';

/**
 * A thousand changes a day for a quarter of a year, none of which was seen. Whoever had the hub's key for a while
 * cannot count so far up that no statement could follow.
 */
export const SEQUENCE_JUMP_MAX = 100_000;

export interface DeploymentContext {
  root: Root;
  /** ms since epoch */
  now: number;
  device: string;
  /** Of the last statement that was taken, under a root with the same keys for this; undefined: none. */
  known: { sequence: number; deployments: JsonObject } | undefined;
}

/** Whether the device is to believe it. @param envelope text of the statement */
export function verifyDeployment(envelope: string, context: DeploymentContext): Verdict<DeploymentStatement> {
  const { root, now, device, known } = context;
  const opened = openEnvelope('deployment', envelope);
  if (!opened.ok) return opened;
  const signed = checkSignatures(opened.value, root, 'deployment');
  if (!signed.ok) return signed;
  const expired = expiryOf(root, now);
  if (expired !== undefined) return expired;
  const statement = opened.value.statement;
  const { sequence, expires } = statement;
  if (statement.device !== device) return refused('wrong-device', `the statement is for ${statement.device}`);
  if (expires <= now) return refused('statement-expired', `the statement ended at ${new Date(expires).toISOString()}`);
  const last = known?.sequence ?? 0;
  if (sequence < last) return refused('statement-older', `the statement has number ${sequence}, known is ${last}`);
  if (sequence > last + SEQUENCE_JUMP_MAX) {
    return refused('sequence-jump', `the statement has number ${sequence}, known is ${last}`);
  }
  if (sequence === last && known !== undefined && !sameJson(statement.deployments, known.deployments)) {
    return refused('statement-reused', `number ${sequence} is known with other deployments`);
  }
  return accepted(statement);
}
