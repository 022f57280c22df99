/**
 * What is signed travels in an envelope, as DSSE has it: the exact bytes that were signed, base64, beside who signed them.
 *
 *     { "payloadType": "application/vnd.weir.release+json", "payload": "<base64>",
 *       "signatures": [{ "keyid": "<SHA-256 of the raw public key, hex>", "sig": "<base64, ed25519>" }] }
 *
 * A signature is over the pre-authentication encoding of type and payload, so that a statement of one kind is never one
 * of another. Nobody serialises a statement again to check it.
 *
 * @see https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md
 */
import { z } from 'zod';
import { HASH_PATTERN } from '../function/manifest.ts';

export const PAYLOAD_TYPES = {
  root: 'application/vnd.weir.root+json',
  release: 'application/vnd.weir.release+json',
  deployment: 'application/vnd.weir.deployment+json',
} as const;
export type StatementKind = keyof typeof PAYLOAD_TYPES;

/** Longest envelope, in bytes of its JSON. A release travels in a header, and a server takes 16 KiB of those. */
export const ENVELOPE_BYTES_MAX: Readonly<Record<StatementKind, number>> = {
  root: 65_536,
  release: 10_240,
  deployment: 65_536,
};

/** A threshold of so many people is never met. */
const SIGNATURES_MAX = 16;
/** 64 bytes in base64. */
const SIGNATURE_PATTERN = /^[A-Za-z0-9+/]{86}==$/;
const BASE64_PATTERN = /^[A-Za-z0-9+/]*={0,2}$/;

/** SHA-256 of the 32 bytes of an ed25519 public key, hex. */
export const keyIdSchema = z.string().regex(HASH_PATTERN, 'no key id: 64 hexadecimal digits');

export const envelopeSchema = z.strictObject({
  payloadType: z.string().min(1).max(128),
  payload: z.string().regex(BASE64_PATTERN, 'no base64'),
  signatures: z
    .array(z.strictObject({ keyid: keyIdSchema, sig: z.string().regex(SIGNATURE_PATTERN, 'no ed25519 signature') }))
    .max(SIGNATURES_MAX)
    .refine((all) => new Set(all.map(({ keyid }) => keyid)).size === all.length, 'one key signed twice'),
});
export type Envelope = z.infer<typeof envelopeSchema>;

/** The bytes that are signed: `DSSEv1 <length of type> <type> <length of payload> <payload>`; lengths in bytes, decimal. */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const text = new TextEncoder();
  const type = text.encode(payloadType);
  const head = text.encode(`DSSEv1 ${type.length} ${payloadType} ${payload.length} `);
  const encoded = new Uint8Array(head.length + payload.length);
  encoded.set(head);
  encoded.set(payload, head.length);
  return encoded;
}
