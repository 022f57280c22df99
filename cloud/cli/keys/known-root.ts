/**
 * The root file of a hub, as its authors know it: whoever has once seen one takes only what follows from it. A hub that was
 * taken over cannot show another one and have it signed on.
 *
 *     <keys>/roots/<hash of the hub's address>.json     { "hub", "envelope" }
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Envelope, Root } from '@weir/protocols';
import type { HubClient } from '../client.ts';
import { Failure } from '../failure.ts';
import type { NamedKey } from './root-file.ts';

/** What a hub says of the root file. */
interface RootAnswer {
  hubKey: NamedKey;
  version: number | null;
  envelope: Envelope | null;
}

export interface HubRoot {
  /** By which the hub signs. */
  hubKey: NamedKey;
  /** Undefined: it has none yet. */
  root: Root | undefined;
  /** Text of its envelope. */
  envelope: string | undefined;
}

const HASH_DIGITS = 16;
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/** @throws {Failure} when the root file does not follow from the one that is known */
export async function fetchRoot(hub: HubClient, folder: string): Promise<HubRoot> {
  const answer = await hub.get<RootAnswer>('/root');
  const { hubKey } = answer;
  if (answer.envelope === null) return { hubKey, root: undefined, envelope: undefined };
  const shown = JSON.stringify(answer.envelope);
  const known = await readKnown(hub, folder);
  const root = known === undefined ? await first(shown) : await following(hub, known, shown, fileOf(hub, folder));
  if (known !== shown) await keepRoot(hub, folder, shown);
  return { hubKey, root, envelope: shown };
}

/** From now on it is known. */
export async function keepRoot(hub: HubClient, folder: string, envelope: string): Promise<void> {
  const file = fileOf(hub, folder);
  await mkdir(join(folder, 'roots'), { recursive: true, mode: FOLDER_MODE });
  const aside = `${file}.${process.pid}.new`;
  await writeFile(aside, `${JSON.stringify({ hub: hub.name, envelope })}\n`, { mode: FILE_MODE });
  await rename(aside, file);
}

async function readKnown(hub: HubClient, folder: string): Promise<string | undefined> {
  const file = fileOf(hub, folder);
  try {
    return (JSON.parse(await readFile(file, 'utf8')) as { envelope: string }).envelope;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Failure(`${file} cannot be read: ${(error as Error).message}`, 'delete it; the next command writes it');
  }
}

async function first(shown: string): Promise<Root> {
  const { verifyRoot } = await import('@weir/runtime');
  const verdict = verifyRoot(undefined, shown, undefined);
  if (verdict.ok) return verdict.value;
  throw new Failure(`the root file of the hub is none: ${verdict.code}: ${verdict.reason}`);
}

/** Through every version in between. */
async function following(hub: HubClient, known: string, shown: string, file: string): Promise<Root> {
  const { verifyRoot } = await import('@weir/runtime');
  let root = await first(known);
  if (payloadOf(known) === payloadOf(shown)) return root;
  for (;;) {
    const { items } = await hub.get<{ items: Envelope[] }>('/roots', { after: root.version });
    for (const envelope of items) {
      const text = JSON.stringify(envelope);
      const verdict = verifyRoot(root, text, undefined);
      if (!verdict.ok) throw foreign(verdict.reason, root, file);
      root = verdict.value;
      if (envelope.payload === payloadOf(shown)) return root;
    }
    if (items.length === 0) throw foreign('it is another one, or an older one', root, file);
  }
}

/** What was signed; there may be more signatures beside it. */
function payloadOf(envelope: string): string {
  return (JSON.parse(envelope) as Envelope).payload;
}

function foreign(why: string, { version }: Root, file: string): Failure {
  return new Failure(
    `the root file of the hub does not follow from version ${version}, which is known here: ${why}`,
    `somebody may have taken the hub over. If it was set up anew by people whom you know, delete ${file}`,
  );
}

function fileOf({ name }: HubClient, folder: string): string {
  const digits = createHash('sha256').update(name).digest('hex').slice(0, HASH_DIGITS);
  return join(folder, 'roots', `${digits}.json`);
}
