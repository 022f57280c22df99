import { type Refusal, UsageError } from '@weir/runtime';

export type TrustErrorCode =
  | 'root-refused'
  | 'root-missing'
  | 'release-refused'
  | 'release-missing'
  | 'release-unknown';

/** Something is not signed as it has to be. */
export class TrustError extends UsageError {
  declare readonly code: TrustErrorCode;
  declare readonly remedy: string;

  constructor(code: TrustErrorCode, message: string, remedy: string) {
    super(code, message, remedy);
    this.name = 'TrustError';
  }
}

export function rootRefused({ code, reason }: Refusal): TrustError {
  return new TrustError(
    'root-refused',
    `the root file is not taken: ${code}: ${reason}`,
    'make the next version from the one that is known, and sign it with the root keys: weir key root --help',
  );
}

export function releaseRefused(what: string, { code, reason }: Refusal): TrustError {
  const remedy =
    code === 'release-below-floor'
      ? 'deploy a newer version; the author of the newer release has set how far back anybody may go'
      : 'sign it anew with a key of the role release: weir fn deploy, weir rule apply or weir forward apply; see weir key list';
  return new TrustError('release-refused', `${what} may not run: ${code}: ${reason}`, remedy);
}
