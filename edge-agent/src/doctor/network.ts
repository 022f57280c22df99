/** The port for sensors, and the way to the hub. */
import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:net';
import { connect } from 'node:tls';
import { UsageError } from '@weir/runtime';
import type { Config } from '../config/config.ts';
import { CertificateRefused, hubFiles } from '../deploy/hub-files.ts';
import { readAwsThing } from '../identity/aws-thing.ts';
import type { Identity } from '../identity/identity.ts';
import { serverName } from '../identity/server-name.ts';
import { HubTrust, type TrustedTime } from '../identity/trust.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const DAY_MS = 86_400_000;
const EXPIRES_SOON_MS = 30 * DAY_MS;

/** @param running the agent that uses the port now */
export function checkBroker({ mqtt }: Config, running: { host: string; port: number } | undefined): Promise<Finding> {
  const name = 'broker port';
  if (running !== undefined) return Promise.resolve(ok(name, `the agent listens on ${running.host}:${running.port}`));
  const { host, port } = mqtt;
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      const remedy =
        error.code === 'EADDRINUSE'
          ? 'end the other program, or choose another mqtt.port'
          : 'choose another mqtt.host or mqtt.port';
      resolve(fail(name, `${host}:${port} cannot be listened on: ${error.message}`, remedy));
    });
    server.listen({ host, port }, () => server.close(() => resolve(ok(name, `${host}:${port} is free`))));
  });
}

export function checkCertificate(identity: Identity | undefined, now: number): Finding {
  const name = 'certificate';
  if (identity === undefined) return ok(name, 'none: the device has no hub');
  const remedy = 'enrol the device again with weir-agent join --force';
  let validTo: number;
  try {
    validTo = Date.parse(new X509Certificate(identity.certificate).validTo);
  } catch {
    return fail(name, 'it cannot be read', remedy);
  }
  const leftMs = validTo - now;
  const days = `${Math.floor(Math.abs(leftMs) / DAY_MS)} days`;
  if (leftMs < 0) return fail(name, `it expired ${days} ago`, remedy);
  return leftMs < EXPIRES_SOON_MS ? warn(name, `it expires in ${days}`, remedy) : ok(name, `valid for ${days}`);
}

/** Offline is normal, so a hub that cannot be reached is no failure; one that does not let the device in is. */
export async function checkHub(
  identity: Identity | undefined,
  { uplink }: Pick<Config, 'uplink'>,
  time: TrustedTime,
): Promise<Finding> {
  const name = 'hub';
  if (identity === undefined) {
    return ok(name, 'the device is not enrolled; weir-agent join URL --token T makes it so');
  }
  const { mqtt, ca, certificate, key } = identity;
  const says = 'answers, and is the one of the enrolment';
  const timeoutMs = uplink.connectTimeout;
  const found = await reach({ name, ...mqtt, serverName: mqtt.host, ca, certificate, key, says }, time, timeoutMs);
  if (found.level !== 'ok' || !(await isTurnedAway(identity, time, timeoutMs))) return found;
  const remedy =
    'on the hub weir token create --group GROUP --replace, then here weir-agent join URL --token T --force';
  return fail(name, `${new CertificateRefused().message}; what is measured is kept`, remedy);
}

/** TLS takes a certificate that was revoked; whoever is asked for something says so. */
async function isTurnedAway(identity: Identity, time: TrustedTime, timeoutMs: number): Promise<boolean> {
  try {
    await hubFiles(identity, () => identity, timeoutMs, time).deployment(0);
    return false;
  } catch (error) {
    return error instanceof CertificateRefused;
  }
}

/** Undefined: the device is to talk to a hub. */
export async function checkAws(
  { aws, uplink }: Pick<Config, 'aws' | 'uplink'>,
  time: TrustedTime,
): Promise<Finding | undefined> {
  if (aws === undefined) return undefined;
  const name = 'AWS IoT Core';
  try {
    const thing = await readAwsThing(aws);
    return await reach({ ...thing, name, says: 'answers, and is trusted' }, time, uplink.connectTimeout);
  } catch (error) {
    if (error instanceof UsageError) return fail(name, error.message, error.remedy ?? 'correct the configuration');
    throw error;
  }
}

interface Reached {
  name: string;
  host: string;
  port: number;
  serverName: string;
  ca: string;
  certificate: string;
  key: string;
  alpn?: string | undefined;
  /** What is to be said of it when it does as it should. */
  says: string;
}

/** By the same trust as the agent: a wrong clock of the machine is told of by itself, and is no fault of the hub. */
async function reach(to: Reached, time: TrustedTime, timeoutMs: number): Promise<Finding> {
  const trust = new HubTrust(to.ca, to.serverName, time);
  for (;;) {
    const finding = await attempt(to, trust, timeoutMs);
    if (finding !== 'again') return finding;
  }
}

function attempt(to: Reached, trust: HubTrust, timeoutMs: number): Promise<Finding | 'again'> {
  const { name, host, port, key, certificate: cert, alpn, says } = to;
  const where = `${host}:${port}`;
  return new Promise((resolve) => {
    const socket = connect({
      ...{ host, port, ...serverName(to.serverName), key, cert, timeout: timeoutMs, ...trust.options() },
      ...(alpn !== undefined && { ALPNProtocols: [alpn] }),
    });
    const end = (outcome: Finding | 'again') => {
      socket.destroy();
      resolve(outcome);
    };
    const remedy = 'readings are kept until it answers; check the network, the name and the clock';
    trust.guard(socket, (fault) => end(warn(name, `${where}: ${fault.message}`, remedy)));
    socket.once('secureConnect', () => end(ok(name, `${where} ${says}`)));
    socket.once('timeout', () => end(warn(name, `${where} does not answer`, remedy)));
    socket.once('error', (error) =>
      end(trust.failed(error) ? 'again' : warn(name, `${where}: ${error.message}`, remedy)),
    );
  });
}
