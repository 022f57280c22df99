/** Signing what is deployed: the release statement, from the source or by somebody else before. */
import { readFile, writeFile } from 'node:fs/promises';
import type { Envelope, Root } from '@weir/protocols';
import type { BuiltBundle } from '@weir/runtime';
import { type Command, InvalidArgumentError } from 'commander';
import type { HubClient } from '../client.ts';
import { Misuse } from '../failure.ts';
import { releaseKey } from '../keys/author.ts';
import { establishTrust, reminder } from '../keys/first-trust.ts';
import { environmentKey } from '../keys/key.ts';
import { fetchRoot } from '../keys/known-root.ts';
import { examples, path, type Session } from '../session.ts';

export interface SignOptions {
  key?: string;
  /** A number of a release, or the version of one. */
  floor?: string;
  rollback: boolean;
}

/** What is uploaded. */
export interface Released {
  bytes: Uint8Array;
  /** Text of the envelope. */
  release: string;
}

/** What the hub knows of releases of a name; null: nothing. */
interface KnownReleases {
  highest: number | null;
  oldestWanted: number | null;
  items: readonly { release: number; version: string }[];
}

const UNKNOWN: KnownReleases = { highest: null, oldestWanted: null, items: [] };
/** Everything older may still run. */
const NO_FLOOR = 1;

export interface ReleaseOptions extends SignOptions {
  /** File of what somebody else has signed. */
  release?: string;
}

/** Of commands that deploy. */
export function withReleaseOptions(command: Command): Command {
  return withSignOptions(command).option(
    '--release <file>',
    'deploy what somebody else has signed, in place of a file',
  );
}

/** @param file source; undefined: what is signed already says it all. @throws {Misuse} */
export async function releasedBy(
  session: Session,
  file: string | undefined,
  build: (file: string) => Promise<BuiltBundle>,
  options: ReleaseOptions,
): Promise<Released> {
  const { release } = options;
  if (file !== undefined && release !== undefined) {
    throw new Misuse('a file to sign, or one that is signed already?', `leave out ${file}, or --release`);
  }
  if (release !== undefined) return readReleased(release);
  if (file === undefined) throw new Misuse('deploy what?', 'give a file, or --release with one that is signed');
  const built = await build(file);
  for (const note of built.notes) session.note(`note: ${note}\n`);
  return signForHub(session, session.hub(), built, options);
}

export async function uploadReleased(
  hub: HubClient,
  { bytes, release }: Released,
): Promise<{ hash: string; name: string }> {
  const { RELEASE_HEADER } = await import('@weir/protocols');
  return hub.send('POST', '/bundles', bytes, { [RELEASE_HEADER]: Buffer.from(release).toString('base64') });
}

function withSignOptions(command: Command): Command {
  return command
    .option('--key <name>', 'key that signs; else WEIR_SIGNING_KEY, else one of yours that the hub trusts')
    .option('--floor <release>', 'oldest release, by number or version, that may run after this one', nonEmpty)
    .option('--no-rollback', 'nothing older than this may run after it');
}

/** Signs for this hub. One that trusts nobody yet is given a root file first. */
async function signForHub(
  session: Session,
  hub: HubClient,
  built: BuiltBundle,
  options: SignOptions,
): Promise<Released> {
  const root = await trustedRoot(session, hub);
  const ending = reminder(root, Date.now());
  if (ending !== undefined) session.note(`note: ${ending}\n`);
  const { bundleIdentity } = await import('@weir/protocols');
  const { name } = bundleIdentity(built.bundle, built.hash);
  const known = await hub.get<KnownReleases>(path`/functions/${name}/releases`);
  return { bytes: built.bytes, release: await sign(session, built, { root, known, options }) };
}

async function trustedRoot(session: Session, hub: HubClient): Promise<Root> {
  const found = await fetchRoot(hub, session.keys().folder);
  if (found.root !== undefined) return found.root;
  if (environmentKey(session.terminal.env) === undefined) return establishTrust(session, hub, found);
  // A root key that is made where CI runs is gone with that machine.
  throw new Misuse(
    'this hub trusts nobody yet, and CI should not decide whom it is to trust',
    'an admin does it once, on a machine of their own: weir key init, then weir key add PUBLIC --role release',
  );
}

async function sign(
  session: Session,
  { bundle, bytes }: BuiltBundle,
  { root, known, options }: { root: Root | undefined; known: KnownReleases; options: SignOptions },
): Promise<string> {
  const { releaseFields, signStatement } = await import('@weir/runtime');
  const createdAt = Date.now();
  const release = Math.max(createdAt, (known.highest ?? 0) + 1);
  const oldest = root === undefined ? NO_FLOOR : (known.oldestWanted ?? release);
  const floor = floorOf(options, release, oldest, known);
  const key = await (await releaseKey(session, root, options.key)).open(session.terminal);
  // A floor that nobody has asked for is not to leave a device without what ran well there.
  const isAsked = options.floor !== undefined || !options.rollback;
  const statement = { ...releaseFields(bytes, bundle), release, floor, createdAt, sparesLastGood: !isAsked };
  return signStatement('release', statement, [key]);
}

function floorOf(
  { floor, rollback }: SignOptions,
  release: number,
  oldestWanted: number,
  { items }: KnownReleases,
): number {
  if (!rollback && floor !== undefined) throw new Misuse('--floor and --no-rollback say the same twice', 'give one');
  if (!rollback) return release;
  if (floor === undefined) return Math.min(oldestWanted, release);
  const number = Number(floor);
  const found = Number.isSafeInteger(number) && number > 0 ? number : undefined;
  const byVersion = items.find(({ version }) => version === floor)?.release;
  const wanted = byVersion ?? found;
  if (wanted !== undefined && wanted <= release) return wanted;
  throw new Misuse(
    wanted === undefined ? `no release has the version ${floor}` : `--floor ${floor} is above this release, ${release}`,
    'give the number of a release, or its version: weir fn releases NAME',
  );
}

/** `fn sign`, `rule sign`, `forward sign`: for whoever signs where nothing is deployed from. */
export function signCommand(
  session: Session,
  command: Command,
  of: string,
  build: (file: string) => Promise<BuiltBundle>,
): void {
  withSignOptions(command)
    .description('bundle and sign, for somebody else to deploy with --release')
    .argument('<file>')
    .requiredOption('-o, --output <file>', 'where the signed release goes')
    .option('--offline', 'ask no hub: the number of the release is the time, and no floor is set unless you do')
    .addHelpText(
      'after',
      examples(
        `weir ${of} sign FILE -o release.json                        where the key is`,
        `weir ${of} ${of === 'fn' ? 'deploy' : 'apply'} --release release.json --group ovens      wherever`,
      ),
    )
    .action(async (file: string, options: SignOptions & { output: string; offline?: boolean }) => {
      const built = await build(file);
      for (const note of built.notes) session.note(`note: ${note}\n`);
      const { release } = options.offline
        ? { release: await sign(session, built, { root: undefined, known: UNKNOWN, options }) }
        : await signForHub(session, session.hub(), built, options);
      const content = { release: JSON.parse(release) as Envelope, bundle: Buffer.from(built.bytes).toString('base64') };
      await writeFile(options.output, `${JSON.stringify(content)}\n`);
      const { release: number } = statementIn(content.release);
      session.note(`Signed release ${number} of ${built.hash.slice(0, 12)}: ${options.output}\n`);
    });
}

/** What {@link signCommand} has written. @throws {Misuse} */
async function readReleased(file: string): Promise<Released> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new Misuse(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  try {
    const { release, bundle } = JSON.parse(text) as { release: Envelope; bundle: string };
    if (typeof bundle === 'string' && typeof release === 'object' && release !== null) {
      return { bytes: Buffer.from(bundle, 'base64'), release: JSON.stringify(release) };
    }
  } catch {}
  throw new Misuse(`${file} is no signed release`, 'make one with: weir fn sign FILE -o release.json');
}

function statementIn({ payload }: Envelope): { release: number } {
  return JSON.parse(Buffer.from(payload, 'base64').toString('utf8')) as { release: number };
}

function nonEmpty(text: string): string {
  if (text === '') throw new InvalidArgumentError('a release is wanted.');
  return text;
}
