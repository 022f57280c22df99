/**
 * How a device is enrolled: one HTTPS request with a join token and a certificate signing request.
 *
 *     POST /v1/join               JoinRequest -> JoinAnswer          no client certificate
 *     POST /v1/renew              RenewRequest -> RenewAnswer        client certificate of the device, also expired
 *     GET  /v1/bundles/<sha256>   -> the bundle's bytes              client certificate of the device
 *     GET  /v1/releases/<sha256>  -> what its author signed          client certificate of the device
 *     GET  /v1/deployment?known=N -> what the device is to run       client certificate of the device
 *     GET  /v1/roots?after=N      -> root files after version N      client certificate of the device
 *
 * The key is made on the device and never leaves it. The token pins the hub's CA, so that the first contact is as
 * safe as the channel over which the token came.
 */
import { z } from 'zod';
import { DEVICE_PATTERN } from './reading.ts';

export const joinRequestSchema = z.strictObject({
  /** Secret part of the token. */
  secret: z.string().min(16).max(128),
  /** PKCS #10 request, PEM; its subject is ignored: the hub names the device. */
  csr: z.string().max(8192),
  /** Name the device asks for. */
  device: z.string().regex(DEVICE_PATTERN, 'letters, digits and : _ - ; at most 128'),
});
export type JoinRequest = z.infer<typeof joinRequestSchema>;

export const joinAnswerSchema = z.object({
  device: z.string().regex(DEVICE_PATTERN),
  /** PEM of the device's certificate. */
  certificate: z.string(),
  /** PEM of the hub's CA. */
  ca: z.string(),
  /** Where telemetry goes: MQTT over TLS. */
  mqtt: z.object({ host: z.string(), port: z.int().min(1).max(65_535) }),
  /** Text of the root file in force, by which the device tells what is to be trusted. Absent: there is none yet. */
  root: z.string().optional(),
});
export type JoinAnswer = z.infer<typeof joinAnswerSchema>;

export const renewRequestSchema = z.strictObject({
  /** PKCS #10 request of a new key, PEM; its subject is ignored. */
  csr: z.string().max(8192),
});
export type RenewRequest = z.infer<typeof renewRequestSchema>;

export const renewAnswerSchema = z.object({
  /** PEM. The one that was shown goes on until this one is used. */
  certificate: z.string(),
});
export type RenewAnswer = z.infer<typeof renewAnswerSchema>;

/** `weir1.<secret>.<sha256 of the CA certificate's DER>`, both base64url. */
export interface JoinToken {
  secret: string;
  caSha256: string;
}

const TOKEN_PATTERN = /^weir1\.([A-Za-z0-9_-]{22,128})\.([A-Za-z0-9_-]{43})$/;

export function formatJoinToken({ secret, caSha256 }: JoinToken): string {
  return `weir1.${secret}.${caSha256}`;
}

/** @returns undefined for a text that is no token, e.g. one cut off in copying. */
export function parseJoinToken(text: string): JoinToken | undefined {
  const match = TOKEN_PATTERN.exec(text.trim());
  return match ? { secret: match[1]!, caSha256: match[2]! } : undefined;
}
