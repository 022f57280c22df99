import { join } from 'node:path';
import { readIfThere, UsageError, writeSecretFile } from '@weir/runtime';

const KEY_BYTES = 32;

/**
 * What secret access keys are made from; drawn at the first start, kept in `<data>/access.key`. Without the file each
 * API key gets another secret access key, and is the same as before otherwise.
 */
export async function openMasterKey(data: string, random: (bytes: number) => Uint8Array): Promise<Uint8Array> {
  const file = join(data, 'access.key');
  const kept = await readIfThere(file);
  if (kept !== undefined) {
    const key = Buffer.from(kept.trim(), 'base64url');
    if (key.length === KEY_BYTES) return key;
    throw new UsageError('access-key-broken', `${file} is damaged`, 'restore it from a backup, or delete it');
  }
  const key = random(KEY_BYTES);
  await writeSecretFile(file, `${Buffer.from(key).toString('base64url')}\n`);
  return key;
}
