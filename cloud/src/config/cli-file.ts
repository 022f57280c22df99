import { join } from 'node:path';
import { readIfThere, writeSecretFile } from '@weir/runtime';
import { z } from 'zod';

/** How the `weir` command on this machine finds the hub: `<data>/cli.json`, for its owner alone. */
const schema = z.object({ url: z.string(), apiKey: z.string(), ca: z.string().optional() });

export type CliFile = z.infer<typeof schema>;

const fileIn = (data: string) => join(data, 'cli.json');

export async function readCliFile(data: string): Promise<CliFile | undefined> {
  const kept = await readIfThere(fileIn(data));
  return kept === undefined ? undefined : schema.parse(JSON.parse(kept));
}

/** @param file `ca`: PEM, where the hub speaks HTTPS */
export function writeCliFile(data: string, file: CliFile): Promise<void> {
  return writeSecretFile(fileIn(data), `${JSON.stringify(file, undefined, 2)}\n`);
}
