/** `weir key`: keys of authors, and whom the fleet trusts. */
import { readFile } from 'node:fs/promises';
import type { RoleName, Root } from '@weir/protocols';
import { type Command, InvalidArgumentError } from 'commander';
import { Failure, Misuse } from '../failure.ts';
import { keyNamed, named, requireRootKeys } from '../keys/author.ts';
import { passphraseFor, prepareTrust } from '../keys/first-trust.ts';
import { parsePublicKey } from '../keys/key.ts';
import type { KeptKey } from '../keys/key-store.ts';
import { fetchRoot } from '../keys/known-root.ts';
import { keyOfRoot, type NamedKey, withKey, withoutKey, withReplaced } from '../keys/root-file.ts';
import { examples, family, listing, oneOf, type Session, several, wholeNumber } from '../session.ts';
import { clockTime } from '../table.ts';
import { baseRoot, type ChangeOptions, changeRoot, handOver, rootCommands, withChangeOptions } from './key-root.ts';

interface InitOptions {
  passphrase?: boolean;
  rootKey?: string[];
  threshold?: number;
  expires?: string;
  output?: string;
  json?: boolean;
}

/** Of a key that people name. */
const DIGITS_MIN = 8;
const ROLES_GIVEN = ['release', 'root'] as const;

export function keyCommands(session: Session): Command {
  const key = family('key', 'keys that sign what is deployed, and whom the fleet trusts');
  initCommand(session, key.command('init'));
  createCommand(session, key.command('create'));
  listCommand(session, key.command('list'));
  addCommand(session, key.command('add'));
  revokeCommand(session, key.command('revoke'));
  rotateCommand(session, key.command('rotate'));
  key.addCommand(rootCommands(session));
  return key;
}

function initCommand(session: Session, command: Command): void {
  command
    .description(
      'make a root key and a release key, and give the hub its first root file; the first deployment does it too',
    )
    .option('--passphrase', 'ask for a passphrase for the keys; or set WEIR_KEY_PASSPHRASE')
    .option('--root-key <public>', 'a root key that is elsewhere, in place of one made here; several times', several)
    .option('--threshold <n>', 'how many root keys have to sign a root file', positive, 1)
    .option('--expires <duration>', 'how long the root file counts; else a year')
    .option('-o, --output <file>', 'write the root file there for others to sign, and give it to nobody')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'weir key init --passphrase',
        'weir key init --root-key PUBLIC1 --root-key PUBLIC2 --root-key PUBLIC3 --threshold 2 -o root-1.json',
      ),
    )
    .action((options: InitOptions) => init(session, options));
}

async function init(session: Session, options: InitOptions): Promise<void> {
  const hub = session.hub();
  const found = await fetchRoot(hub, session.keys().folder);
  if (found.root !== undefined) {
    throw new Misuse(
      `this hub has version ${found.root.version} of a root file already`,
      'have whoever has the root key add yours: weir key add PUBLIC --role release',
    );
  }
  const rootKeys = options.rootKey && (await Promise.all(options.rootKey.map((text) => publicKeyIn(text))));
  const { passphrase, threshold } = options;
  const lifeMs = await durationOf(options.expires);
  const { next, rootKey, releaseKey } = await prepareTrust(session, found, { passphrase, rootKeys, threshold, lifeMs });
  const made = { root: rootKey?.file, release: releaseKey.file, releasePublic: releaseKey.public };
  const done = await handOver(session, { previous: undefined, next, output: options.output, hub });
  if (options.json) session.out(`${JSON.stringify({ ...made, ...done }, null, 2)}\n`);
  if (rootKey !== undefined) {
    session.note(`root key     ${rootKey.file}: keep a copy of it elsewhere; it decides whom the fleet trusts\n`);
  }
  session.note(`release key  ${releaseKey.file}: signs what is deployed from here\n`);
}

function createCommand(session: Session, command: Command): void {
  command
    .description('make a key; whoever has the root key adds what it prints')
    .argument('[name]', 'of the key; else release, or release-2 …')
    .option('--passphrase', 'ask for a passphrase; or set WEIR_KEY_PASSPHRASE')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'weir key create',
        'PUBLIC=$(weir key create ci)                  only the public part goes to standard output',
      ),
    )
    .action(async (wanted: string | undefined, options: { passphrase?: boolean; json?: boolean }) => {
      const store = session.keys();
      const name = wanted ?? (await store.freeName('release'));
      const passphrase = await passphraseFor(session, `the new key ${name}`, options.passphrase);
      const made = await store.create(name, passphrase);
      if (made === undefined) {
        throw new Misuse(`there is a key "${name}" in ${store.folder} already`, 'give it another name');
      }
      const { keyid, public: text, file, isEncrypted } = made;
      if (options.json)
        session.out(`${JSON.stringify({ name, keyid, public: text, file, encrypted: isEncrypted }, null, 2)}\n`);
      else session.out(`${text}\n`);
      session.note(
        `The key is in ${file}. It counts once whoever has the root key adds it: weir key add ${text} --role release\n`,
      );
    });
}

function listCommand(session: Session, command: Command): void {
  command
    .description('keys on this machine, and what the hub lets them do')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const keys = await session.keys().list();
      const { root, why } = await rootIfThere(session);
      const items = keys.map(({ name, keyid, public: text, file, isEncrypted, createdAt }) => ({
        ...{ name, keyid, public: text, roles: rolesOf(root, keyid) },
        ...{ encrypted: isEncrypted, createdAt, file },
      }));
      if (why !== undefined) session.note(`note: what they may do is not known: ${why}\n`);
      listing(session, options, items, {
        empty: `There is no key in ${session.keys().folder}. Make one: weir key create`,
        heading: ['KEY', 'ID', 'SIGNS', 'PASSPHRASE', 'MADE', 'PUBLIC'],
        row: (each) => [
          each.name,
          each.keyid.slice(0, 12),
          each.roles.join(', ') || '-',
          each.encrypted ? 'yes' : 'no',
          clockTime(each.createdAt),
          each.public,
        ],
      });
    });
}

/** A list of keys is of use without a hub, too. */
async function rootIfThere(session: Session): Promise<{ root?: Root | undefined; why?: string }> {
  try {
    return { root: (await fetchRoot(session.hub(), session.keys().folder)).root };
  } catch (error) {
    if (error instanceof Misuse || error instanceof Failure) return { why: error.message };
    throw error;
  }
}

function rolesOf(root: Root | undefined, keyid: string): string[] {
  if (root === undefined) return [];
  if (root.revoked.includes(keyid)) return ['revoked'];
  return Object.entries(root.roles).flatMap(([role, { keyids }]) => (keyids.includes(keyid) ? [role] : []));
}

function addCommand(session: Session, command: Command): void {
  withChangeOptions(command)
    .description('let a key sign releases, or root files')
    .argument('<public>', 'what "weir key create" printed, or a file with it')
    .requiredOption('--role <role>', 'what it may sign', oneOf(...ROLES_GIVEN))
    .option('--name <name>', 'whose it is, for people who read the root file')
    .option('--threshold <n>', 'how many keys of this role have to sign from then on', positive)
    .addHelpText(
      'after',
      examples(
        'weir key add "$PUBLIC" --role release --name "CI of the ovens"',
        'weir key add bob.pem --role root --threshold 2        from then on two have to sign root files',
      ),
    )
    .action(async (text: string, options: ChangeOptions & { role: RoleName; name?: string; threshold?: number }) => {
      const { role, name, threshold } = options;
      const key = { ...(await publicKeyIn(text)), ...(name !== undefined && { name }) };
      const isHere = (await session.keys().list()).find(({ keyid }) => keyid === key.keyid);
      const whole = name === undefined && isHere !== undefined ? named(isHere) : key;
      await changeRoot(session, options, (root, expires) => withKey(root, role, whole, { threshold, expires }));
    });
}

function revokeCommand(session: Session, command: Command): void {
  withChangeOptions(command)
    .description('a key never counts again: its further releases are refused, what runs goes on')
    .argument('<key>', 'its id, or the first digits of it, or the name of one here')
    .option('--threshold <n>', 'how many of the keys that are left have to sign', positive)
    .addHelpText('after', examples('weir key root show', 'weir key revoke 3f9c0a1be2d4'))
    .action(async (wanted: string, options: ChangeOptions & { threshold?: number }) => {
      const { threshold } = options;
      const isHere = (await session.keys().list()).find(({ name }) => name === wanted);
      if (isHere === undefined && wanted.length < DIGITS_MIN) {
        throw new Misuse(`"${wanted}" is too short for the id of a key`, `give ${DIGITS_MIN} digits or more`);
      }
      await changeRoot(session, options, (root, expires) =>
        withoutKey(root, keyOfRoot(root, isHere?.keyid ?? wanted.toLowerCase()), { threshold, expires }),
      );
    });
}

function rotateCommand(session: Session, command: Command): void {
  withChangeOptions(command)
    .description('put a new key in the place of yours, which never counts again')
    .option(
      '--role <role>',
      'root, release, or deployment: the key of the hub',
      oneOf(...ROLES_GIVEN, 'deployment'),
      'root',
    )
    .option('--key <name>', 'which of yours; else the one that has the role')
    .option('--passphrase', 'ask for a passphrase for the new one; or set WEIR_KEY_PASSPHRASE')
    .addHelpText(
      'after',
      examples(
        'weir key rotate                          a new root key, approved by the old one',
        'weir key rotate --role release',
        'weir key rotate --role deployment        after the hub was set up anew',
      ),
    )
    .action((options: ChangeOptions & { role: RoleName; key?: string; passphrase?: boolean }) =>
      rotate(session, options),
    );
}

async function rotate(
  session: Session,
  options: ChangeOptions & { role: RoleName; key?: string; passphrase?: boolean },
): Promise<void> {
  const { role } = options;
  const base = await baseRoot(session, options);
  const { root } = base;
  if (role === 'deployment') {
    const { hubKey } = await fetchRoot(session.hub(), session.keys().folder);
    const old = root.roles.deployment.keyids;
    const key = { ...hubKey, name: 'the hub' };
    await changeRoot(session, options, (from, expires) => withReplaced(from, role, { old, key }, expires), base);
    return;
  }
  const old = await ownKey(session, root, role, options.key);
  if (options.output === undefined) await requireRootKeys(session, root);
  const store = session.keys();
  const name = await store.freeName(role);
  const made = await store.create(name, await passphraseFor(session, `the new key ${name}`, options.passphrase));
  if (made === undefined) throw new Failure(`another command has just made the key ${name}`, 'try again');
  const replacement = { old: [old.keyid], key: named(made) };
  await changeRoot(session, options, (from, expires) => withReplaced(from, role, replacement, expires), base);
  session.note(`The new key is ${made.file}; ${old.file} is of no use any more once all devices have heard of it.\n`);
}

async function ownKey(session: Session, root: Root, role: RoleName, wanted: string | undefined): Promise<KeptKey> {
  const { keyids } = root.roles[role];
  const keys = wanted === undefined ? await session.keys().list() : [await keyNamed(session, wanted)];
  const found = keys.find(({ keyid }) => keyids.includes(keyid));
  if (found !== undefined) return found;
  throw new Misuse(
    `${wanted === undefined ? 'none of your keys' : `the key "${wanted}"`} has the role ${role}`,
    'see who has which: weir key root show',
  );
}

/** As it was printed, or in a file. @throws {Misuse} */
async function publicKeyIn(text: string): Promise<NamedKey> {
  const content = await readFile(text, 'utf8').catch(() => text);
  return parsePublicKey(content);
}

async function durationOf(text: string | undefined): Promise<number | undefined> {
  if (text === undefined) return undefined;
  const { parseDuration } = await import('@weir/protocols');
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) throw new Misuse(`--expires ${text} is no duration`, 'give one such as 365d');
  return ms;
}

function positive(text: string): number {
  const n = wholeNumber(text);
  if (n < 1) throw new InvalidArgumentError('1 or more is wanted.');
  return n;
}
