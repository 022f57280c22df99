import { join } from 'node:path';
import { readIfThere, writeSecretFile } from '@weir/runtime';
import { z } from 'zod';

/** How the `weir` command on this machine finds the hub: `<data>/cli.json`, for its owner alone. */
const schema = z.object({ url: z.string(), apiKey: z.string().min(20) });

const fileIn = (data: string) => join(data, 'cli.json');

/** The key stays the same from start to start; deleting the file makes a new one. */
export async function openApiKey(data: string, random: (bytes: number) => Uint8Array): Promise<string> {
  const kept = await readIfThere(fileIn(data));
  if (kept !== undefined) return schema.parse(JSON.parse(kept)).apiKey;
  return Buffer.from(random(24)).toString('base64url');
}

export function writeCliFile(data: string, url: string, apiKey: string): Promise<void> {
  return writeSecretFile(fileIn(data), `${JSON.stringify({ url, apiKey }, undefined, 2)}\n`);
}
