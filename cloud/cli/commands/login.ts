import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type Command, Command as NewCommand } from 'commander';
import type { WhoAmI } from '../answers.ts';
import { HubClient } from '../client.ts';
import { Misuse } from '../failure.ts';
import { type HubAddress, localHub, profileFile, readCa } from '../find-hub.ts';
import { examples, type Session } from '../session.ts';
import { clockTime } from '../table.ts';
import { fetchCa, parsePin } from '../trust.ts';

interface LoginOptions {
  key?: string;
  caSha256?: string;
  ca?: string;
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

export function loginCommand(session: Session): Command {
  return new NewCommand('login')
    .description('talk to a hub on another machine from now on; keeps its address and the key, for you alone')
    .argument('<url>', 'of its operator API, e.g. https://hub.example.com:8080')
    .option('--key <key>', 'API key; - reads it from standard input; else WEIR_API_KEY')
    .option('--ca-sha256 <hash>', "of the hub's certificate authority; printed with each API key")
    .option('--ca <file>', 'certificate authority (PEM), in the place of its hash')
    .addHelpText(
      'after',
      examples(
        'weir login https://hub.example.com:8080 --key wk… --ca-sha256 …',
        'weir login https://hub.example.com --key - < key     a certificate that this machine knows',
      ),
    )
    .action((url: string, options: LoginOptions) => login(session, url, options));
}

export function logoutCommand(session: Session): Command {
  return new NewCommand('logout')
    .description('forget the hub of weir login, and its key; the key is good until it is revoked')
    .addHelpText('after', examples('weir logout'))
    .action(async () => {
      const file = profileFile(process.env);
      if (!existsSync(file)) return session.note(`There is no ${file}: nobody is logged in here.\n`);
      await rm(file, { force: true });
      session.note(`${file} is gone. To end the key itself: weir api-key revoke NAME\n`);
    });
}

async function login(session: Session, given: string, options: LoginOptions): Promise<void> {
  const url = parseUrl(given);
  const apiKey = await keyOf(options.key);
  const address: HubAddress = { url: url.href.replace(/\/+$/, ''), apiKey };
  if (options.ca !== undefined) address.ca = readCa(options.ca);
  else if (options.caSha256 !== undefined) {
    if (url.protocol !== 'https:') throw new Misuse('--ca-sha256 is for https', `is it https://${url.host}?`);
    address.ca = await fetchCa(url, parsePin(options.caSha256));
  }
  const { name, role, expiresAt } = await new HubClient(address).get<WhoAmI>('/whoami');
  const file = profileFile(process.env);
  const { writeSecretFile } = await import('@weir/runtime');
  await writeSecretFile(file, `${JSON.stringify(address, undefined, 2)}\n`);
  const until = expiresAt === undefined ? '' : `, until ${clockTime(expiresAt)}`;
  session.note(`Logged in at ${address.url} as ${name} (${role})${until}. Kept in ${file}\n`);
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) {
    session.note('Nothing is encrypted on the way to this hub: whoever listens can read the key.\n');
  }
  if (localHub() !== undefined) {
    session.note('Commands in this folder go on talking to the hub whose data is here, in .weir/hub.\n');
  }
}

function parseUrl(given: string): URL {
  const url = URL.parse(given);
  if (url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.pathname === '/') return url;
  throw new Misuse(`"${given}" is no address of a hub`, 'e.g. https://hub.example.com:8080');
}

async function keyOf(given: string | undefined): Promise<string> {
  const key = given === '-' ? (await text(process.stdin)).trim() : (given ?? process.env.WEIR_API_KEY);
  if (key !== undefined && key !== '') return key;
  throw new Misuse('which key?', 'give it with --key KEY, or --key - on standard input, or as WEIR_API_KEY');
}
