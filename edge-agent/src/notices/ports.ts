/** What telling people needs of the machine. */
import { nodeHttp, UsageError, WEBHOOK_SECRET, withinNetworks } from '@weir/runtime';
import type { Config } from '../config/config.ts';
import type { NoticePorts } from './teller.ts';

/** Of an answer nothing but its status is of interest. */
const ANSWER_BYTES_MAX = 16_384;
/** A receiver that has said yes, and does not end its answer, is not told again, and does not keep the next message waiting. */
const SUCCESS_WAIT_MS = 1_000;

/**
 * @param read a file of the configuration
 * @throws {UsageError} `secret-malformed`
 */
export async function noticePorts(
  { channels, allowNetworks }: Config['alerts'],
  read: (path: string) => Promise<string>,
): Promise<NoticePorts> {
  const secrets = new Map<string, string>();
  for (const channel of channels) {
    if (!('secretFile' in channel) || channel.secretFile === undefined) continue;
    const secret = (await read(channel.secretFile)).trim();
    if (!WEBHOOK_SECRET.test(secret)) {
      throw new UsageError(
        'secret-malformed',
        `${channel.secretFile} holds no secret by which a webhook is signed`,
        'it is whsec_ and 24 to 64 bytes in base64: echo whsec_$(openssl rand -base64 32)',
      );
    }
    secrets.set(channel.name, secret);
  }
  const rule = {
    allows: withinNetworks(allowNetworks),
    refusal: 'in none of the networks of alerts.allowNetworks; name it there to allow it',
  };
  return { send: nodeHttp({ bodyBytesMax: ANSWER_BYTES_MAX, successWaitMs: SUCCESS_WAIT_MS, rule }), secrets };
}
