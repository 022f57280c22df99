/**
 * A join that is under way: the key is kept before it is asked for a certificate, so that whoever lost the answer, or was
 * killed before it was kept, asks again with the same key, and gets it again by the same token.
 *
 *     <data>/credentials/joining.json     0600, there until the identity is
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { readIfThere, removeSecretFile, writeSecretFile } from '@weir/runtime';
import { z } from 'zod';
import type { KeyAndRequest } from './csr.ts';

const joiningSchema = z.object({
  version: z.literal(1),
  device: z.string(),
  /** SHA-256 of the token's secret, hexadecimal: with another token it is another join. */
  token: z.string(),
  /** PKCS #8, PEM. */
  key: z.string(),
  /** PKCS #10, PEM. */
  csr: z.string(),
});

/** The key of an earlier attempt at the same join, or a new one; durable when it resolves. */
export async function keyForJoin(
  data: string,
  { device, secret }: { device: string; secret: string },
  makeKey: (device: string) => Promise<KeyAndRequest>,
): Promise<KeyAndRequest> {
  const token = createHash('sha256').update(secret).digest('hex');
  const before = parsed(await readIfThere(pathOf(data)));
  if (before?.device === device && before.token === token) return { key: before.key, csr: before.csr };
  const made = await makeKey(device);
  await writeSecretFile(pathOf(data), `${JSON.stringify({ version: 1, device, token, ...made }, null, 2)}\n`);
  return made;
}

/** The identity is kept, or the hub has refused: another attempt is another join. */
export function forgetJoin(data: string): Promise<void> {
  return removeSecretFile(pathOf(data));
}

/** What cannot be understood is as if it were not there: nothing hangs on it yet. */
function parsed(text: string | undefined): z.infer<typeof joiningSchema> | undefined {
  try {
    return text === undefined ? undefined : joiningSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function pathOf(data: string): string {
  return join(data, 'credentials', 'joining.json');
}
