/**
 * The root file says whose signatures count, for what, until when. Whoever trusts one trusts its successor, if that is
 * the next version and is signed by enough keys of the role `root` of both.
 */
import { z } from 'zod';
import { keyIdSchema } from './envelope.ts';

/** 32 bytes in base64. */
const PUBLIC_KEY_PATTERN = /^[A-Za-z0-9+/]{43}=$/;
/** An author and a CI each for a hundred teams; beyond, one root file is not what is needed. */
const KEYS_MAX = 256;
const ROLE_KEYS_MAX = 64;
/** One each second for centuries. */
const VERSION_MAX = 1_000_000_000;

export const rootKeySchema = z.object({
  type: z.literal('ed25519'),
  /** The raw public key, base64. */
  public: z.string().regex(PUBLIC_KEY_PATTERN, 'no ed25519 public key in base64'),
  /** For people: whose it is. */
  name: z.string().max(64).optional(),
});
export type RootKey = z.infer<typeof rootKeySchema>;

const roleSchema = z
  .object({ keyids: z.array(keyIdSchema).min(1).max(ROLE_KEYS_MAX), threshold: z.int().min(1) })
  .refine(({ keyids }) => new Set(keyids).size === keyids.length, 'names a key twice')
  .refine(({ keyids, threshold }) => threshold <= keyids.length, 'has a threshold that its keys cannot meet');
export type Role = z.infer<typeof roleSchema>;

/**
 *     root         signs root files; offline
 *     release      authors and their CI: signs what may run
 *     deployment   the hub: signs what a device is to run, now
 */
export const ROLES = ['root', 'release', 'deployment'] as const;
export type RoleName = (typeof ROLES)[number];

export const rootSchema = z
  .object({
    type: z.literal('weir-root'),
    version: z.int().min(1).max(VERSION_MAX),
    /** ms since epoch; after it nothing new is taken until there is a successor. What runs goes on. */
    expires: z.int().min(0),
    keys: z.record(keyIdSchema, rootKeySchema).refine((keys) => Object.keys(keys).length <= KEYS_MAX, 'too many keys'),
    roles: z.object({ root: roleSchema, release: roleSchema, deployment: roleSchema }),
    /** Keys that counted once, and never are to again. */
    revoked: z.array(keyIdSchema).max(KEYS_MAX).default([]),
  })
  .superRefine(({ keys, roles, revoked }, context) => {
    for (const role of ROLES) {
      for (const keyid of roles[role].keyids) {
        const what = !Object.hasOwn(keys, keyid) ? 'is not there' : revoked.includes(keyid) ? 'is revoked' : undefined;
        if (what === undefined) continue;
        context.addIssue({ code: 'custom', path: ['roles', role], message: `the key ${keyid} ${what}` });
      }
    }
  });
export type Root = z.infer<typeof rootSchema>;
