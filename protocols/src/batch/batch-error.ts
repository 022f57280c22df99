/** Why a batch was refused; a closed list, also metric labels. */
export const BATCH_FAULTS = ['truncated', 'malformed', 'too-deep', 'too-large', 'version', 'value'] as const;
export type BatchFault = (typeof BATCH_FAULTS)[number];

export class BatchError extends Error {
  readonly code: BatchFault;

  constructor(code: BatchFault, message: string) {
    super(message);
    this.name = 'BatchError';
    this.code = code;
  }
}
