/** Who this device is at AWS IoT Core: a thing, whose key and certificate were put on the device. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readIfThere, UsageError } from '@weir/runtime';
import type { AwsConfig } from '../config/aws.ts';
import type { MqttLinkOptions } from '../uplink/mqtt-link.ts';

export type AwsThing = Pick<
  MqttLinkOptions,
  'device' | 'host' | 'port' | 'serverName' | 'ca' | 'certificate' | 'key' | 'alpn'
>;

/** @see AWS IoT developer guide, device communication protocols */
const ALPN_MQTT = 'x-amzn-mqtt-ca';
const HTTPS_PORT = 443;

/** @throws {UsageError} `aws-file-missing` | `aws-credentials-invalid`: what is wrong, in which file */
export async function readAwsThing(config: AwsConfig): Promise<AwsThing> {
  const { endpoint, port, thing, alpn = port === HTTPS_PORT } = config;
  const [certificate, key, ca] = await Promise.all([
    fileOf('aws.certificateFile', config.certificateFile),
    fileOf('aws.keyFile', config.keyFile),
    fileOf('aws.caFile', config.caFile),
  ]);
  const shown = parsed('aws.certificateFile', config.certificateFile, () => new X509Certificate(certificate));
  parsed('aws.caFile', config.caFile, () => new X509Certificate(ca));
  const privateKey = parsed('aws.keyFile', config.keyFile, () => createPrivateKey(key));
  if (!shown.checkPrivateKey(privateKey)) {
    throw invalid(`the key in ${config.keyFile} is not that of the certificate in ${config.certificateFile}`);
  }
  const where = { device: thing, host: endpoint, port, serverName: endpoint };
  return { ...where, ca, certificate, key, alpn: alpn ? ALPN_MQTT : undefined };
}

async function fileOf(option: string, path: string): Promise<string> {
  const text = await readIfThere(path);
  if (text !== undefined) return text;
  throw new UsageError('aws-file-missing', `${option}: there is no file ${path}`, 'give the path of a PEM file');
}

function parsed<T>(option: string, path: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw invalid(`${option}: ${path} cannot be understood: ${(cause as Error).message}`, { cause });
  }
}

function invalid(message: string, options?: ErrorOptions): UsageError {
  const remedy = 'give the files that AWS made with the certificate: PEM, with the key of this certificate';
  return new UsageError('aws-credentials-invalid', message, remedy, options);
}
