/** What an author says of a bundle: that it may run, under which name, and what may not run any more besides it. */
import { z } from 'zod';
import { BUNDLE_BYTES_MAX, BUNDLE_KINDS, HASH_PATTERN } from '../function/manifest.ts';
import { URL_PATTERN_CHARS_MAX } from '../function/url-pattern.ts';
import { NAME_PATTERN } from '../reading.ts';

/** Header with the envelope in base64, beside the bundle that is uploaded. */
export const RELEASE_HEADER = 'weir-release';

/** Counts the releases of one name: ms since epoch at which it was made, or one more than the last. */
const releaseNumber = z.int().min(1);

export const releaseSchema = z
  .object({
    type: z.literal('weir-release'),
    name: z.string().regex(NAME_PATTERN),
    kind: z.enum(BUNDLE_KINDS),
    version: z.string().min(1).max(64),
    release: releaseNumber,
    /** The lowest release of this name that may still run where this one is known. */
    floor: releaseNumber,
    /** The floor is for what others want: a device may go back by itself to what ran well there, also below it. */
    sparesLastGood: z.boolean().optional(),
    /** Of the bundle's bytes, hex. */
    sha256: z.string().regex(HASH_PATTERN),
    /** Of the bundle, bytes. */
    length: z.int().min(1).max(BUNDLE_BYTES_MAX),
    /** Contract between function and host that it needs. */
    api: z.int().min(1),
    /** What it may do beyond computing: no more than this, whatever its manifest says. */
    permissions: z.object({ requests: z.array(z.string().max(URL_PATTERN_CHARS_MAX)).max(16) }),
    /** ms since epoch */
    createdAt: z.int().min(0),
  })
  .refine(({ release, floor }) => floor <= release, 'has a floor above itself');
export type Release = z.infer<typeof releaseSchema>;
