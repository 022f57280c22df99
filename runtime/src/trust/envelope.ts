/** Signing statements, and telling whose signatures are on one. Envelopes are handled as the text that travels. */
import {
  byteLength,
  type DeploymentStatement,
  deploymentStatementSchema,
  ENVELOPE_BYTES_MAX,
  type Envelope,
  envelopeSchema,
  nestsDeeper,
  PAYLOAD_TYPES,
  preAuthEncoding,
  type Release,
  type RoleName,
  type Root,
  releaseSchema,
  rootSchema,
  type StatementKind,
} from '@weir/protocols';
import type { z } from 'zod';
import { isSignedBy, type SigningKey } from './keys.ts';
import { accepted, refused, type Verdict } from './verdict.ts';

export interface Statements {
  root: Root;
  release: Release;
  deployment: DeploymentStatement;
}

const SCHEMAS = { root: rootSchema, release: releaseSchema, deployment: deploymentStatementSchema } as const;
/** A configuration nests by its own measure, which is smaller. */
const DEPTH_MAX = 32;

/** An envelope that could be read; nobody has looked at its signatures yet. */
export interface Opened<K extends StatementKind> {
  envelope: Envelope;
  /** What is signed. */
  message: Uint8Array;
  statement: Statements[K];
}

/**
 * @returns the text of the envelope
 * @throws when the statement is none of its kind: whoever made it has a bug
 */
export function signStatement<K extends StatementKind>(
  kind: K,
  statement: Omit<Statements[K], 'type'>,
  keys: readonly SigningKey[],
): string {
  const payloadType = PAYLOAD_TYPES[kind];
  const payload = Buffer.from(JSON.stringify(SCHEMAS[kind].parse({ type: `weir-${kind}`, ...statement })));
  const message = preAuthEncoding(payloadType, payload);
  return JSON.stringify({
    payloadType,
    payload: payload.toString('base64'),
    signatures: keys.map((key) => signature(key, message)),
  });
}

/** Adds a signature to those that are there; one of the same key is replaced. @throws when it is no envelope */
export function addSignature(text: string, key: SigningKey): string {
  const envelope = envelopeSchema.parse(JSON.parse(text));
  const message = preAuthEncoding(envelope.payloadType, Buffer.from(envelope.payload, 'base64'));
  const others = envelope.signatures.filter(({ keyid }) => keyid !== key.keyid);
  return JSON.stringify({ ...envelope, signatures: [...others, signature(key, message)] });
}

function signature(key: SigningKey, message: Uint8Array): Envelope['signatures'][number] {
  return { keyid: key.keyid, sig: Buffer.from(key.sign(message)).toString('base64') };
}

/** Reads an envelope, within bounds, without asking who signed it. */
export function openEnvelope<K extends StatementKind>(kind: K, text: string): Verdict<Opened<K>> {
  const bytesMax = ENVELOPE_BYTES_MAX[kind];
  if (byteLength(text) > bytesMax) return refused('too-long', `the envelope has more than ${bytesMax} bytes`);
  const parsed = envelopeSchema.safeParse(parseJson(text));
  if (!parsed.success) return refused('malformed', `no envelope: ${issueOf(parsed.error)}`);
  const envelope = parsed.data;
  if (envelope.payloadType !== PAYLOAD_TYPES[kind]) {
    return refused('foreign-type', `the envelope is of ${envelope.payloadType}, not of ${PAYLOAD_TYPES[kind]}`);
  }
  if (envelope.signatures.length === 0) return refused('unsigned', 'nobody has signed it');
  const payload = decodeBase64(envelope.payload);
  if (payload === undefined) return refused('malformed', 'the payload is no base64');
  const statement = readStatement(kind, payload);
  if (!statement.ok) return statement;
  const message = preAuthEncoding(envelope.payloadType, payload);
  return accepted({ envelope, message, statement: statement.value });
}

/** Whether enough keys that the root file has for the role have signed. */
export function checkSignatures(
  { envelope, message }: Pick<Opened<StatementKind>, 'envelope' | 'message'>,
  root: Root,
  role: RoleName,
): Verdict<true> {
  const { keyids, threshold } = root.roles[role];
  let valid = 0;
  for (const { keyid, sig } of envelope.signatures) {
    if (!keyids.includes(keyid)) continue;
    const signatureBytes = decodeBase64(sig);
    if (signatureBytes === undefined || !isSignedBy(root.keys[keyid]!.public, message, signatureBytes)) {
      return refused('signature-invalid', `the signature of the key ${short(keyid)} is not over this`);
    }
    valid += 1;
  }
  if (valid >= threshold) return accepted(true);
  if (valid > 0) return refused('threshold-unmet', `${valid} of the ${threshold} keys that are needed have signed`);
  return strangers(envelope, root, role);
}

function strangers({ signatures }: Envelope, root: Root, role: RoleName): Verdict<never> {
  const ids = signatures.map(({ keyid }) => keyid);
  const revoked = ids.find((keyid) => root.revoked.includes(keyid));
  if (revoked !== undefined) return refused('key-revoked', `the key ${short(revoked)} is revoked`);
  const known = ids.find((keyid) => Object.hasOwn(root.keys, keyid));
  if (known !== undefined) return refused('key-not-for-role', `the key ${short(known)} does not sign for ${role}`);
  const who = ids.map(short).join(', ');
  return refused('key-unknown', `signed by ${who}, which version ${root.version} of the root file does not name`);
}

function readStatement<K extends StatementKind>(kind: K, payload: Buffer): Verdict<Statements[K]> {
  const text = payload.toString('utf8');
  const body = nestsDeeper(text, DEPTH_MAX) ? undefined : parseJson(text);
  const type = (body as { type?: unknown } | null | undefined)?.type;
  if (typeof type === 'string' && type !== `weir-${kind}`) {
    return refused('wrong-kind', `the statement is a ${type.slice(0, 32)}, not a weir-${kind}`);
  }
  const parsed = SCHEMAS[kind].safeParse(body);
  if (!parsed.success) return refused('malformed', `no ${kind} statement: ${issueOf(parsed.error)}`);
  return accepted(parsed.data as Statements[K]);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** There is one way to write bytes, and no other is read: nobody can change an envelope without changing what it says. */
function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

function issueOf(error: z.ZodError): string {
  const { path, message } = error.issues[0]!;
  return path.length === 0 ? message : `${path.join('.')}: ${message}`;
}

function short(keyid: string): string {
  return keyid.slice(0, 12);
}
