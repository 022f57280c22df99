/**
 * Enrols this device: makes a key, keeps it, asks the hub for a certificate, keeps the answer. Cut off at any point it is
 * repeated with the same token, to the same end.
 *
 * The token carries the SHA-256 of the hub's CA. The first connection only reads the chain the hub presents and
 * looks for that CA in it; the second trusts nothing but this CA, verifies the hub as usual, and only then is the
 * token's secret sent.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import { hostname } from 'node:os';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import {
  isDeviceId,
  type JoinAnswer,
  type JoinRequest,
  type JoinToken,
  joinAnswerSchema,
  parseJoinToken,
} from '@weir/protocols';
import { UsageError } from '@weir/runtime';
import { timeOfMachine } from '../clock/machine-clocks.ts';
import { makeKeyAndRequest } from './csr.ts';
import { type Identity, readIdentity, writeIdentity } from './identity.ts';
import { forgetJoin, keyForJoin } from './joining.ts';
import { serverName } from './server-name.ts';
import { HubTrust } from './trust.ts';

export interface JoinOptions {
  /** `https://host:port` */
  url: string;
  token: string;
  /** Defaults to the machine's name. */
  name?: string;
  data: string;
  force?: boolean;
}

const TIMEOUT_MS = 15_000;
/** Certificates, and a root file as a text within JSON. */
const ANSWER_BYTES_MAX = 192 * 1024;

/** @throws {UsageError} `already-enrolled` | `token-malformed` | `url-malformed` | `name-invalid` | `join-refused` | … */
export async function join(options: JoinOptions): Promise<Identity> {
  const known = await readIdentity(options.data);
  if (known !== undefined && options.force !== true) {
    throw new UsageError(
      'already-enrolled',
      `this device is enrolled already, as ${known.device} at ${known.hub}`,
      'use --force to enrol it anew; the old certificate is forgotten then',
    );
  }
  const { token, device, hub } = readOptions(options);
  const ca = await findCa(hub, token.caSha256);
  const { key, csr } = await keyForJoin(options.data, { device, secret: token.secret }, makeKeyAndRequest);
  const trust = new HubTrust(ca, bareHost(hub), await timeOfMachine());
  const attempt = () => ask(hub, trust, { secret: token.secret, csr, device });
  const answer = await attempt().catch(async (error: Error) => {
    if (error.cause instanceof Error && trust.failed(error.cause)) return attempt();
    if (error instanceof UsageError && error.code === 'join-refused') await forgetJoin(options.data);
    throw error;
  });
  const { certificate, mqtt, root } = answer;
  const enrolment = sha256(new X509Certificate(certificate).raw);
  const fields = { version: 1, device: answer.device, key, certificate, ca, mqtt, hub: hub.origin, enrolment } as const;
  const identity: Identity = root === undefined ? fields : { ...fields, root };
  await writeIdentity(options.data, identity);
  await forgetJoin(options.data);
  return identity;
}

/** Everything that is wrong is told at once. */
function readOptions({ token, name, url }: JoinOptions): { token: JoinToken; device: string; hub: URL } {
  const faults: UsageError[] = [];
  const read = <T>(part: () => T): T | undefined => {
    try {
      return part();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      faults.push(error);
      return undefined;
    }
  };
  const parts = {
    token: read(() => joinToken(token)),
    device: read(() => deviceName(name)),
    hub: read(() => hubUrl(url)),
  };
  const [first] = faults;
  if (first === undefined) return parts as { [part in keyof typeof parts]: NonNullable<(typeof parts)[part]> };
  const told = (part: 'message' | 'remedy') => faults.map((fault) => fault[part]).join('; ');
  throw new UsageError(first.code, told('message'), told('remedy'));
}

function joinToken(text: string): JoinToken {
  const token = parseJoinToken(text);
  if (token !== undefined) return token;
  throw new UsageError('token-malformed', 'the token is not complete', 'copy it again: weir1.….…');
}

function deviceName(name: string | undefined): string {
  const device = name ?? hostname().replaceAll('.', '-');
  if (isDeviceId(device)) return device;
  throw new UsageError(
    'name-invalid',
    `${JSON.stringify(device)} cannot be the name of a device`,
    'give --name with letters, digits and : _ - ; at most 128',
  );
}

function hubUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:') return url;
  throw new UsageError('url-malformed', `${text} is not the address of a hub`, 'write it as https://host:port');
}

/** The certificate in the hub's chain that the token names, as PEM. */
function findCa(hub: URL, caSha256: string): Promise<string> {
  const host = bareHost(hub);
  return new Promise((resolve, reject) => {
    // Nothing is sent and nothing but the chain is read: it is verified by the token's hash.
    const socket = connect({ host, port: portOf(hub), rejectUnauthorized: false, ...serverName(host) }, () => {
      const ca = chainOf(socket.getPeerCertificate(true)).find((raw) => sha256(raw) === caSha256);
      socket.destroy();
      if (ca !== undefined) return resolve(new X509Certificate(ca).toString());
      reject(
        new UsageError(
          'hub-unknown',
          `${hub.host} is not the hub that made this token: its CA is another`,
          'check the address, and that nobody is in between; make a new token if the hub was set up anew',
        ),
      );
    });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer in time')));
    socket.on('error', (cause) => reject(unreachable(hub, cause)));
  });
}

function chainOf(leaf: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  let at: DetailedPeerCertificate | undefined = leaf;
  // A self-signed certificate names itself as its issuer.
  while (at?.raw !== undefined && !chain.some((raw) => raw.equals(at!.raw))) {
    chain.push(at.raw);
    at = at.issuerCertificate;
  }
  return chain;
}

function ask(hub: URL, trust: HubTrust, body: JoinRequest): Promise<JoinAnswer> {
  const host = bareHost(hub);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host,
        port: portOf(hub),
        path: '/v1/join',
        method: 'POST',
        ...trust.options(),
        agent: false,
        headers: { 'content-type': 'application/json' },
        timeout: TIMEOUT_MS,
        ...serverName(host),
      },
      (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > ANSWER_BYTES_MAX) outgoing.destroy(new Error('the answer is too long'));
          else chunks.push(chunk);
        });
        response.on('end', () => {
          try {
            resolve(readAnswer(hub, response.statusCode ?? 0, Buffer.concat(chunks).toString('utf8')));
          } catch (error) {
            reject(error);
          }
        });
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
    outgoing.on('error', (cause) => reject(unreachable(hub, cause)));
    // The secret goes to nobody but the hub: it is written once that is certain.
    outgoing.on('socket', (socket) => {
      trust.guard(socket as TLSSocket, (fault) => outgoing.destroy(fault));
      socket.once('secureConnect', () => {
        if (!outgoing.destroyed) outgoing.end(JSON.stringify(body));
      });
    });
  });
}

function readAnswer(hub: URL, status: number, text: string): JoinAnswer {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (status >= 200 && status < 300) {
    const parsed = joinAnswerSchema.safeParse(body);
    if (parsed.success) return parsed.data;
    throw new UsageError('hub-unknown', `${hub.host} does not answer as a hub does`, 'check the address');
  }
  const { error } = (body ?? {}) as { error?: { message?: unknown; remedy?: unknown } };
  const said = typeof error?.message === 'string' ? error.message : `status ${status}`;
  const remedy = typeof error?.remedy === 'string' && error.remedy !== '' ? error.remedy : 'try again later';
  // Then it may have enrolled the device all the same, or does so next time.
  const isBusy = status === 429 || status >= 500;
  if (isBusy) throw new UsageError('hub-busy', `the hub cannot do it now: ${said}`, remedy);
  throw new UsageError('join-refused', `the hub refused: ${said}`, remedy);
}

function unreachable(hub: URL, cause: Error): Error {
  if (cause instanceof UsageError) return cause;
  return new UsageError(
    'hub-unreachable',
    `${hub.host} cannot be reached safely: ${cause.message}`,
    'check the address, the network, and the clock of this machine',
    { cause },
  );
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function portOf(url: URL): number {
  return url.port === '' ? 443 : Number(url.port);
}

function sha256(der: Buffer): string {
  return createHash('sha256').update(der).digest('base64url');
}
