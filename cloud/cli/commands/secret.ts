/** `weir secret`: what functions may put into their requests and never see. A value is never an argument: those are for all to read. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { Misuse } from '../failure.ts';
import { readHidden } from '../keys/passphrase.ts';
import { type RemoveOptions, removeFrom, withRemoveOptions } from '../removing.ts';
import { examples, family, listing, path, type Session } from '../session.ts';
import { clockTime } from '../table.ts';

interface SecretInfo {
  group: string;
  name: string;
  version: number;
  setAt: number;
}

interface DeviceSecret extends SecretInfo {
  overridden: string[];
  state: 'delivered' | 'pending';
}

export function secretCommands(session: Session): Command {
  const secret = family('secret', 'what functions put into their requests and never see: keys of other services');
  secret
    .command('set')
    .description('set a secret of a group; its devices get it within seconds, encrypted for each')
    .argument('<group>')
    .argument('<name>', 'what functions call it')
    .option('--from-file <file>', 'its value; else standard input, or asked for')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'weir secret set ovens erp-token                       asks for it, and does not show it',
        'weir secret set ovens erp-token --from-file token.txt',
        'pass show erp | weir secret set ovens erp-token',
      ),
    )
    .action((group: string, name: string, options: { fromFile?: string; json?: boolean }) =>
      set(session, group, name, options),
    );
  secret
    .command('list')
    .description('secrets of a group, or those that one device has; never their values')
    .argument('[group]')
    .option('--device <device>', 'what this device has, and of which of its groups')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir secret list ovens', 'weir secret list --device gw1'))
    .action((group: string | undefined, options: { device?: string; json?: boolean }) => list(session, group, options));
  withRemoveOptions(secret.command('remove'))
    .description('remove a secret; devices forget it, and requests that name it fail')
    .argument('<group>')
    .argument('<name>')
    .addHelpText(
      'after',
      examples('weir secret remove ovens erp-token', 'weir secret remove ovens erp-token --if-exists --json'),
    )
    .action((group: string, name: string, options: RemoveOptions) =>
      removeFrom(session, options, {
        what: { group, name },
        remove: () => session.hub().send('DELETE', path`/groups/${group}/secrets/${name}`),
        gone: `Removed the secret ${name} of group ${group}`,
      }),
    );
  return secret;
}

async function set(
  session: Session,
  group: string,
  name: string,
  { fromFile, json }: { fromFile?: string; json?: boolean },
): Promise<void> {
  const { SECRET_CHARS_MAX, SECRET_CHARS_MIN } = await import('@weir/protocols');
  // Editors and `echo` end what they write with a line end that nobody means.
  const value = (await read(session, name, fromFile)).replace(/\r?\n$/, '');
  if (value.length < SECRET_CHARS_MIN || value.length > SECRET_CHARS_MAX) {
    throw new Misuse(
      `a secret has ${SECRET_CHARS_MIN} to ${SECRET_CHARS_MAX} characters; this has ${value.length}`,
      'give it by --from-file FILE, or on standard input',
    );
  }
  const made = await session.hub().send<SecretInfo>('PUT', path`/groups/${group}/secrets/${name}`, { value });
  if (json) session.out(`${JSON.stringify(made, null, 2)}\n`);
  session.note(`Set the secret ${name} of group ${group}. Who has it: weir secret list --device DEVICE\n`);
}

async function read(session: Session, name: string, file: string | undefined): Promise<string> {
  const { terminal } = session;
  if (file === undefined && terminal.input.isTTY) return readHidden(terminal, `Value of ${name}: `);
  if (file !== undefined) {
    return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new Misuse(`${file} cannot be read: ${error.code}`, 'give a file with the value');
    });
  }
  let text = '';
  for await (const chunk of terminal.input.setEncoding('utf8')) text += chunk;
  return text;
}

async function list(
  session: Session,
  group: string | undefined,
  options: { device?: string; json?: boolean },
): Promise<void> {
  const { device } = options;
  if ((group === undefined) === (device === undefined)) {
    throw new Misuse(
      'secrets of what?',
      'name a group, or a device: weir secret list GROUP, weir secret list --device D',
    );
  }
  if (device === undefined) {
    const items = await session.hub().all<SecretInfo>(path`/groups/${group!}/secrets`);
    listing(session, options, items, {
      empty: `Group ${group} has no secret. Set one: weir secret set ${group} NAME`,
      heading: ['SECRET', 'VERSION', 'SET'],
      row: (each) => [each.name, String(each.version), clockTime(each.setAt)],
    });
    return;
  }
  const items = await session.hub().all<DeviceSecret>(path`/devices/${device}/secrets`);
  listing(session, options, items, {
    empty: `Device ${device} has no secret: none of its groups has one.`,
    heading: ['SECRET', 'OF GROUP', 'VERSION', 'SET', 'STATE', ''],
    row: (each) => [
      each.name,
      each.group,
      String(each.version),
      clockTime(each.setAt),
      each.state,
      each.overridden.length === 0 ? '' : `goes before ${each.overridden.join(', ')}`,
    ],
  });
}
