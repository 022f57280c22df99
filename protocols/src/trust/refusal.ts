/**
 * Why something signed is not taken. A refusal has one of these codes, on the device, in its shadow and at the hub.
 *
 *     unsigned              nobody signed it, or it has no statement at all
 *     malformed             no envelope, or no statement of its kind
 *     foreign-type          an envelope of something else
 *     wrong-kind            the statement is of another kind than its envelope says, or of another kind of bundle
 *     too-long              longer than allowed, or than what was signed
 *     key-unknown           no signature by a key that the root file names
 *     key-not-for-role      its keys are for something else
 *     key-revoked           its key counted once
 *     signature-invalid     a key that counts did not sign this
 *     threshold-unmet       fewer signed than are needed
 *     no-root               nobody is trusted yet
 *     root-skipped          not the next version
 *     root-older            a version that is known already, or an older one
 *     root-unapproved       not signed by enough keys of the root before
 *     root-unproven         not signed by enough keys of its own
 *     root-expired          nothing new until there is a successor
 *     statement-expired     held back, or never signed anew
 *     statement-older       one with a higher sequence is known
 *     statement-reused      the sequence is known, with something else in it
 *     sequence-jump         so far ahead that nothing could follow
 *     wrong-device          for another device
 *     wrong-bundle          the release of another bundle
 *     hash-mismatch         other bytes than were signed, or than are wanted
 *     release-below-floor   a newer release says that this one is not to run any more
 *     release-ahead         of a time to come: nothing could follow
 *     permissions-exceeded  its manifest asks for more than was signed
 *     api-unsupported       made for a newer host
 *     clock-unknown         what has expired cannot be told
 */
export const REFUSAL_CODES = [
  'unsigned',
  'malformed',
  'foreign-type',
  'wrong-kind',
  'too-long',
  'key-unknown',
  'key-not-for-role',
  'key-revoked',
  'signature-invalid',
  'threshold-unmet',
  'no-root',
  'root-skipped',
  'root-older',
  'root-unapproved',
  'root-unproven',
  'root-expired',
  'statement-expired',
  'statement-older',
  'statement-reused',
  'sequence-jump',
  'wrong-device',
  'wrong-bundle',
  'hash-mismatch',
  'release-below-floor',
  'release-ahead',
  'permissions-exceeded',
  'api-unsupported',
  'clock-unknown',
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];
