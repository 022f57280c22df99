/** `weir key root`: the root file itself, and how the next one comes about when several have to sign it. */
import { readFile, writeFile } from 'node:fs/promises';
import type { Root } from '@weir/protocols';
import type { Command } from 'commander';
import type { HubClient } from '../client.ts';
import { Failure, Misuse } from '../failure.ts';
import { keyNamed, requireSigned, rootSigners } from '../keys/author.ts';
import { expiresIn, giveRoot, signedRoot } from '../keys/first-trust.ts';
import { fetchRoot } from '../keys/known-root.ts';
import { type RootStatement, renewedRoot, signaturesMissing } from '../keys/root-file.ts';
import { examples, family, type Session } from '../session.ts';
import { clockTime, plain, table } from '../table.ts';

export interface ChangeOptions {
  /** File with the version before, where there is no hub. */
  root?: string;
  output?: string;
  expires?: string;
  json?: boolean;
}

/** The version before, and where it is from. */
export interface BaseRoot {
  root: Root;
  hub: HubClient | undefined;
}

interface HandOver {
  previous: Root | undefined;
  next: RootStatement;
  /** Undefined: to the hub. */
  output: string | undefined;
  hub: HubClient | undefined;
}

export function withChangeOptions(command: Command): Command {
  return command
    .option('--expires <duration>', 'how long the next root file counts; else a year')
    .option('--root <file>', 'the root file to go on from; else that of the hub')
    .option('-o, --output <file>', 'write the next root file there for others to sign, and give it to nobody')
    .option('--json', 'print JSON');
}

/** Makes the next root file, signs it with what is here, and gives it to the hub or into a file. */
export async function changeRoot(
  session: Session,
  options: ChangeOptions,
  change: (root: Root, expires: number) => RootStatement,
  base?: BaseRoot,
): Promise<void> {
  const { root, hub } = base ?? (await baseRoot(session, options));
  const next = change(root, expiresIn(await lifeOf(options.expires)));
  const done = await handOver(session, { previous: root, next, output: options.output, hub });
  if (options.json) session.out(`${JSON.stringify(done, null, 2)}\n`);
}

/** @throws {Misuse} when there is none */
export async function baseRoot(session: Session, { root: file, output }: ChangeOptions): Promise<BaseRoot> {
  if (file !== undefined) {
    if (output === undefined) {
      throw new Misuse('with --root the next root file goes into a file, too', 'add -o next.json');
    }
    return { root: await wholeRoot(await readText(file), file), hub: undefined };
  }
  const hub = session.hub();
  const { root } = await fetchRoot(hub, session.keys().folder);
  if (root === undefined) throw new Misuse('this hub has no root file yet', 'give it one: weir key init');
  return { root, hub };
}

/** @returns what was done, for programs */
export async function handOver(
  session: Session,
  { previous, next, output, hub }: HandOver,
): Promise<{ version: number; given: boolean; signaturesMissing: number; file?: string }> {
  const signers = await rootSigners(session, previous, next);
  const { version } = next;
  const signed = signers.map(({ keyid }) => keyid);
  const missing = signaturesMissing(signed, previous, next);
  if (output === undefined) {
    requireSigned(signers, previous, next);
    await giveRoot(hub!, session.keys().folder, await signedRoot(next, signers));
    session.note(
      `The hub has version ${version} of the root file; devices get it within a minute, or when they come.\n`,
    );
    return { version, given: true, signaturesMissing: 0 };
  }
  await writeFile(output, `${await signedRoot(next, signers)}\n`);
  const more = missing === 0 ? 'It is signed by enough' : `It needs ${missing} more: weir key root sign ${output}`;
  session.note(`Version ${version} of the root file is in ${output}. ${more}; then: weir key root import ${output}\n`);
  return { version, given: false, signaturesMissing: missing, file: output };
}

export function rootCommands(session: Session): Command {
  const root = family('root', 'the root file: whose keys count, for what, until when');
  root
    .command('show')
    .description('who may sign what')
    .argument('[file]', 'a root file; else that of the hub')
    .option('--json', 'print JSON')
    .action((file: string | undefined, options: { json?: boolean }) => show(session, file, options));
  root
    .command('export')
    .description('the root file of the hub, for a machine that has none')
    .option('-o, --output <file>', 'where it goes; else standard output')
    .action(async ({ output }: { output?: string }) => {
      const { envelope } = await fetchRoot(session.hub(), session.keys().folder);
      if (envelope === undefined) throw new Misuse('this hub has no root file yet', 'give it one: weir key init');
      if (output === undefined) session.out(`${envelope}\n`);
      else await writeFile(output, `${envelope}\n`);
    });
  root
    .command('sign')
    .description('add your signature to a root file that somebody has made')
    .argument('<file>', 'it is written again')
    .option('--key <name>', 'which of your keys; else all that it names')
    .addHelpText(
      'after',
      examples('weir key root show next.json      what one is about to sign', 'weir key root sign next.json'),
    )
    .action((file: string, options: { key?: string }) => sign(session, file, options));
  root
    .command('import')
    .description('give the hub a root file that enough have signed')
    .argument('<file>')
    .action(async (file: string) => {
      const text = await readText(file);
      await rootIn(text, file);
      const version = await giveRoot(session.hub(), session.keys().folder, text);
      session.note(
        `The hub has version ${version} of the root file; devices get it within a minute, or when they come.\n`,
      );
    });
  withChangeOptions(root.command('renew'))
    .description('the same root file, for longer')
    .action((options: ChangeOptions) => changeRoot(session, options, renewedRoot));
  return root;
}

async function show(session: Session, file: string | undefined, options: { json?: boolean }): Promise<void> {
  const own = new Set((await session.keys().list()).map(({ keyid }) => keyid));
  const { root, signatures } = file === undefined ? await hubRoot(session) : await fileRoot(file);
  if (options.json) {
    session.out(`${JSON.stringify({ ...root, signedBy: signatures }, null, 2)}\n`);
    return;
  }
  session.out(describe(root, signatures, own));
}

function describe(root: Root, signatures: readonly string[], own: ReadonlySet<string>): string {
  const rows = Object.entries(root.roles).flatMap(([role, { keyids }]) =>
    keyids.map((keyid) => {
      const { name = '', public: text } = root.keys[keyid]!;
      const marks = [own.has(keyid) ? 'yours' : '', signatures.includes(keyid) ? 'signed this' : ''];
      return [role, keyid.slice(0, 12), plain(name), marks.filter((mark) => mark !== '').join(', '), text];
    }),
  );
  const thresholds = Object.entries(root.roles).map(
    ([role, { keyids, threshold }]) => `${threshold} of ${keyids.length} for ${role}`,
  );
  const revoked =
    root.revoked.length === 0 ? '' : `revoked: ${root.revoked.map((each) => each.slice(0, 12)).join(', ')}\n`;
  return [
    `root file, version ${root.version}, until ${clockTime(root.expires)}; needed: ${thresholds.join(', ')}\n\n`,
    table(['ROLE', 'KEY', 'WHOSE', '', 'PUBLIC'], rows),
    revoked,
  ].join('');
}

async function sign(session: Session, file: string, options: { key?: string }): Promise<void> {
  const { addSignature } = await import('@weir/runtime');
  let text = await readText(file);
  const root = await rootIn(text, file);
  const known = await knownRoles(session);
  const counts = (keyid: string) => root.roles.root.keyids.includes(keyid) || known.includes(keyid);
  const keys = options.key === undefined ? await session.keys().list() : [await keyNamed(session, options.key)];
  const signing = keys.filter(({ keyid }) => counts(keyid));
  if (signing.length === 0) {
    throw new Failure(
      `${options.key === undefined ? 'none of your keys' : `the key "${options.key}"`} is a root key, now or in version ${root.version}`,
      `see whose it needs: weir key root show ${file}`,
    );
  }
  for (const key of signing) text = addSignature(text, await key.open(session.terminal));
  await writeFile(file, `${text}\n`);
  session.note(`Signed version ${root.version} of the root file with ${signing.map(({ name }) => name).join(', ')}.\n`);
}

/** Root keys of the version before, where a hub can be asked. */
async function knownRoles(session: Session): Promise<readonly string[]> {
  try {
    const { root } = await fetchRoot(session.hub(), session.keys().folder);
    return root?.roles.root.keyids ?? [];
  } catch (error) {
    if (error instanceof Misuse || error instanceof Failure) return [];
    throw error;
  }
}

async function hubRoot(session: Session): Promise<{ root: Root; signatures: string[] }> {
  const { root, envelope } = await fetchRoot(session.hub(), session.keys().folder);
  if (root === undefined) throw new Misuse('this hub has no root file yet', 'give it one: weir key init');
  return { root, signatures: signersOf(envelope!) };
}

async function fileRoot(file: string): Promise<{ root: Root; signatures: string[] }> {
  const text = await readText(file);
  return { root: await rootIn(text, file), signatures: text === '' ? [] : signersOf(text) };
}

function signersOf(envelope: string): string[] {
  return (JSON.parse(envelope) as { signatures: { keyid: string }[] }).signatures.map(({ keyid }) => keyid);
}

/** Without asking whether enough have signed it. @throws {Misuse} */
async function rootIn(envelope: string, file: string): Promise<Root> {
  const { envelopeSchema, rootSchema } = await import('@weir/protocols');
  try {
    const { payload } = envelopeSchema.parse(JSON.parse(envelope));
    return rootSchema.parse(JSON.parse(Buffer.from(payload, 'base64').toString('utf8')));
  } catch {
    throw new Misuse(`${file} is no root file`, 'make one with -o, or get that of the hub: weir key root export');
  }
}

/** One that its own root keys have signed: whoever goes on from it signs what follows. @throws {Failure} */
async function wholeRoot(envelope: string, file: string): Promise<Root> {
  const { verifyRoot } = await import('@weir/runtime');
  const verdict = verifyRoot(undefined, envelope, undefined);
  if (verdict.ok) return verdict.value;
  throw new Failure(`${file} is not to be gone on from: ${verdict.code}: ${verdict.reason}`);
}

async function readText(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new Misuse(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

async function lifeOf(text: string | undefined): Promise<number | undefined> {
  if (text === undefined) return undefined;
  const { parseDuration } = await import('@weir/protocols');
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) throw new Misuse(`--expires ${text} is no duration`, 'give one such as 365d');
  return ms;
}
