import { join } from 'node:path';
import { readIfThere, writeSecretFile } from '@weir/runtime';
import { z } from 'zod';
import type { IotCredentials } from './signature.ts';

const schema = z.object({ accessKeyId: z.string().min(16), secretAccessKey: z.string().min(32) });

/** The key pair that signs requests to the IoT Data Plane; made at the first start, kept in the data folder. */
export async function openCredentials(folder: string, random: (bytes: number) => Uint8Array): Promise<IotCredentials> {
  const file = join(folder, 'iot-credentials.json');
  const kept = await readIfThere(file);
  if (kept !== undefined) return schema.parse(JSON.parse(kept));
  const credentials: IotCredentials = {
    // AKIA and ASIA are AWS's own prefixes; this one cannot be taken for a key of theirs.
    accessKeyId: `WEIR${Buffer.from(random(8)).toString('hex').toUpperCase()}`,
    secretAccessKey: Buffer.from(random(30)).toString('base64url'),
  };
  await writeSecretFile(file, JSON.stringify(credentials));
  return credentials;
}
