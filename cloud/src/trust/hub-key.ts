/**
 * The key by which the hub signs what devices are to run: it has to be at hand all the time, so it counts for nothing
 * else. `<data>/hub-key.json`, for its owner alone.
 */
import { join } from 'node:path';
import { readIfThere, SEED_BYTES, type SigningKey, signingKeyOf, writeSecretFile } from '@weir/runtime';
import { z } from 'zod';

const schema = z.object({ seed: z.string().length(Buffer.alloc(SEED_BYTES).toString('base64').length) });

/** Made at the first start. */
export async function openHubKey(data: string, random: (bytes: number) => Uint8Array): Promise<SigningKey> {
  const file = join(data, 'hub-key.json');
  const kept = await readIfThere(file);
  if (kept !== undefined) return signingKeyOf(Buffer.from(schema.parse(JSON.parse(kept)).seed, 'base64'));
  const seed = random(SEED_BYTES);
  await writeSecretFile(file, `${JSON.stringify({ seed: Buffer.from(seed).toString('base64') })}\n`);
  return signingKeyOf(seed);
}
