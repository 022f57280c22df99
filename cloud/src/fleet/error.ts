import { UsageError } from '@weir/runtime';

export type FleetErrorCode =
  | 'token-invalid'
  | 'token-expired'
  | 'token-spent'
  | 'token-revoked'
  | 'token-unknown'
  | 'key-revoked'
  | 'certificate-replaced'
  | 'device-exists'
  | 'device-unknown'
  | 'group-exists'
  | 'group-unknown'
  | 'group-in-use'
  | 'selector-invalid'
  | 'tag-invalid'
  | 'member-by-tags'
  | 'deployment-unknown'
  | 'bundle-unknown'
  | 'bundle-invalid'
  | 'bundle-too-large'
  | 'config-invalid'
  | 'name-mismatch'
  | 'no-previous'
  | 'flow-circle'
  | 'edge-only'
  | 'cloud-only'
  | 'unit-mismatch'
  | 'rollout-invalid'
  | 'rollout-unknown'
  | 'rollout-refused'
  | 'limit-exceeded'
  | 'secret-unknown'
  | 'secret-damaged'
  | 'busy';

/** Asked of the fleet for something that cannot be. */
export class FleetError extends UsageError {
  declare readonly code: FleetErrorCode;
  declare readonly remedy: string;

  constructor(code: FleetErrorCode, message: string, remedy: string) {
    super(code, message, remedy);
    this.name = 'FleetError';
  }
}
